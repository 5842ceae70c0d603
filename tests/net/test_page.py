import gzip
import time
import zlib

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.net.page import HEADERS, Decoder, NoHost, chosen, next_hop, title_of


@pytest.mark.parametrize(
    ("body", "content_type", "title"),
    [
        (b"<html><title>Access  denied\n by law</title>", "", "Access denied by law"),
        (b"<TITLE lang=tr>Eri&#351;im engeli &amp; karar</TITLE><title>second</title>", "", "Erişim engeli & karar"),
        ("<title>Доступ ограничен</title>".encode("cp1251"), "text/html; charset=windows-1251", "Доступ ограничен"),
        ('<meta charset="euc-kr"><title>차단</title>'.encode("euc-kr"), "text/html", "차단"),
        ("<title>größe</title>".encode("latin-1"), "text/html", "gr\ufffd\ufffde"),
        (b"<title>cut off he", "", "cut off he"),
        (b"<title></title>", "", None),
        (b"<titlebar>no</titlebar>", "", None),
        (b"", "", None),
        (b"<title>" + b"x" * 5000 + b"</title>", "", "x" * 512),
        (b"<title>ok</title>", "text/html; charset=unicode_escape", "ok"),
        (b"<title>ok</title>", "text/html; charset=zlib", "ok"),
        (b"<title>ok</title>", "text/html; charset=utf-99", "ok"),
    ],
)
def test_titles(body: bytes, content_type: str, title: str | None) -> None:
    assert title_of(body, content_type) == title


@given(st.binary(max_size=2000), st.text(max_size=50))
@settings(max_examples=200, deadline=None)
def test_any_page_has_a_title_or_none(body: bytes, content_type: str) -> None:
    title = title_of(b"<title>" + body, content_type)
    assert title is None or 0 < len(title) <= 512


def test_a_page_full_of_titles_costs_next_to_nothing() -> None:
    started = time.process_time()
    title_of(b"<title " * 9000 + b"<title>" * 9000)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("status", "location", "hop"),
    [
        (302, "http://195.175.254.2/", "http://195.175.254.2/"),
        (301, "/login?next=%2F", "https://x.com/login?next=%2F"),
        (308, "//www.x.com/a b", "https://www.x.com/a%20b"),
        (307, "?q=1", "https://x.com/path?q=1"),
        (200, "https://elsewhere.example/", None),
        (304, "https://elsewhere.example/", None),
        (302, "fb://profile/1", None),
        (302, None, None),
    ],
)
def test_next_hops(status: int, location: str | None, hop: str | None) -> None:
    headers = httpx.Headers({"location": location} if location is not None else {})
    assert next_hop("https://x.com/path", status, headers) == hop


@pytest.mark.parametrize(
    "location", ["http://", "https:///path", "http://[::1", "http://a:b:c/", "http://x:99999/", "http://x:0/"]
)
def test_a_redirect_to_no_host(location: str) -> None:
    with pytest.raises(NoHost):
        next_hop("https://x.com/", 302, httpx.Headers({"location": location}))


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_location_is_a_hop_or_none_or_no_host(location: str) -> None:
    try:
        headers = httpx.Headers([(b"location", location.encode())])
        hop = next_hop("https://x.com/", 302, headers)
    except NoHost:
        return
    assert hop is None or httpx.URL(hop).host


def test_no_chosen_header_tells_one_visitor_from_another() -> None:
    assert not {"set-cookie", "cf-ray", "date", "etag", "x-request-id", "x-amz-cf-id", "report-to"} & set(HEADERS)
    kept = chosen(httpx.Headers({"Server": "x" * 5000, "Set-Cookie": "id=1", "Via": "1.1 squid"}))
    assert kept == (("server", "x" * 1024), ("via", "1.1 squid"))


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data, wbits=-15)),
        ("identity", bytes),
        ("br", bytes),
        ("", bytes),
    ],
)
def test_encodings_are_undone_piece_by_piece_and_never_past_the_room(encoding: str, encode: object) -> None:
    assert callable(encode)
    page = b"a page that compresses well " * 100
    encoded = encode(page)
    decoder = Decoder(encoding)
    assert b"".join(decoder.decode(encoded[at : at + 7], 10**6) for at in range(0, len(encoded), 7)) == page
    assert Decoder(encoding).decode(encoded, 50) == page[:50]
    assert Decoder(encoding).decode(encoded, 0) == b""
