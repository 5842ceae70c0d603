import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from probe.catalogue.model import CatalogueError, Target
from probe.catalogue.targets import ascii_name, parse_target, parse_typed
from probe.wire.addresses import is_address, is_public


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("https://x.com/", Target(url="https://x.com/", scheme="https", host="x.com", port=443)),
        ("HTTPS://X.com.", Target(url="https://x.com/", scheme="https", host="x.com", port=443)),
        (
            "http://x.com:8080/a?b=1#c",
            Target(url="http://x.com:8080/a?b=1", scheme="http", host="x.com", port=8080, path="/a?b=1"),
        ),
        ("https://x.com?q", Target(url="https://x.com/?q", scheme="https", host="x.com", port=443, path="/?q")),
        ("http://1.1.1.1:80/", Target(url="http://1.1.1.1/", scheme="http", host="1.1.1.1", port=80)),
        (
            "tcp://e1.whatsapp.net:5222",
            Target(url="tcp://e1.whatsapp.net:5222", scheme="tcp", host="e1.whatsapp.net", port=5222),
        ),
        ("tls://x.com:443/", Target(url="tls://x.com:443", scheme="tls", host="x.com", port=443)),
        ("quic://x.com:443", Target(url="quic://x.com:443", scheme="quic", host="x.com", port=443)),
        ("dns:Uptime.Signal.org", Target(url="dns:uptime.signal.org", scheme="dns", host="uptime.signal.org", port=53)),
        (
            "https://[2606:4700:4700:0::1111]/dns-query",
            Target(
                url="https://[2606:4700:4700::1111]/dns-query",
                scheme="https",
                host="2606:4700:4700::1111",
                port=443,
                path="/dns-query",
            ),
        ),
        (
            "http://яндекс.рф/поиск",
            Target(
                url="http://xn--d1acpjx3f.xn--p1ai/%D0%BF%D0%BE%D0%B8%D1%81%D0%BA",
                scheme="http",
                host="xn--d1acpjx3f.xn--p1ai",
                port=80,
                path="/%D0%BF%D0%BE%D0%B8%D1%81%D0%BA",
            ),
        ),
        (
            "https://r3---sn-4g5e.googlevideo.com/",
            Target(
                url="https://r3---sn-4g5e.googlevideo.com/",
                scheme="https",
                host="r3---sn-4g5e.googlevideo.com",
                port=443,
            ),
        ),
        ("http://x.com/a%20b", Target(url="http://x.com/a%20b", scheme="http", host="x.com", port=80, path="/a%20b")),
    ],
)
def test_a_good_url_is_taken_apart_into_its_canonical_form(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must begin with a scheme"),
        ("x.com", "must begin with a scheme"),
        ("https:x.com", "two slashes must follow https:"),
        ("ftp://x.com/", "unknown scheme 'ftp'"),
        ("javascript:alert(1)", "unknown scheme 'javascript'"),
        ("https://", "missing host"),
        ("https:///path", "missing host"),
        ("https://:443/", "missing host"),
        ("https://x.com:0/", "bad port '0'"),
        ("https://x.com:65536/", "bad port '65536'"),
        ("https://x.com:https/", "bad port 'https'"),
        ("https://x.com:٤٤٣/", "bad port '٤٤٣'"),
        ("https://2001:db8::1/", "stands in brackets"),
        ("tcp://x.com", "missing port"),
        ("tls://x.com/", "missing port"),
        ("tcp://x.com:443/path", "takes a host and a port, no path"),
        ("https://user:secret@x.com/", "user name or password"),
        ("https://x.com/a b", "white space"),
        (" https://x.com/", "white space"),
        ("https://x.com/\n", "white space"),
        ("https://x.com/\x00", "control characters"),
        ("https://x..com/", "'' cannot be part of a host name"),
        ("https://-x.com/", "'-x' cannot be part of a host name"),
        ("https://x.com\\@evil.com/", "user name or password"),
        ("https://a" + "b" * 63 + ".com/", "cannot be part of a host name"),
        ("https://" + "a." * 130 + "com/", "at most 253"),
        ("https://x.com/" + "a" * 2048, "longer than 2048"),
        ("https://[::1/", "brackets"),
        ("https://[x.com]/", "is no IPv6 address"),
        ("https://xn--a/", "no valid internationalised name"),
        ("https://\u2488com.com/", "no valid internationalised name"),
        ("dns:8.8.8.8", "wants a name"),
        ("dns://x.com", "without slashes"),
        ("dns:", "missing host"),
        ("https://localhost/", "is not a public name"),
        ("https://printer.local/", "is not a public name"),
        ("https://router/", "is not a public name"),
    ],
)
def test_a_bad_url_is_one_sentence_that_names_it_and_the_reason(text: str, reason: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        parse_target(text)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 420


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "198.18.0.1",
        "[::1]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::a00:1]",
        "１０.0.0.1",  # full-width digits, which IDNA maps to ASCII ones
        "127.0.0.1.",
    ],
)
def test_an_address_that_is_not_public_is_refused_in_every_spelling(host: str) -> None:
    with pytest.raises(CatalogueError, match=r"not a public address|is no IPv6 address"):
        parse_target(f"http://{host}/")


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "1.2.3.4.5", "10.0.0.0x1"])
def test_what_a_resolver_might_take_for_an_address_is_never_taken_for_a_name(host: str) -> None:
    with pytest.raises(CatalogueError, match="is no IPv4 address"):
        parse_target(f"http://{host}/")


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("x.com", "https://x.com/"),
        (" X.com ", "https://x.com/"),
        ("x.com:8443/path", "https://x.com:8443/path"),
        ("яндекс.рф", "https://xn--d1acpjx3f.xn--p1ai/"),
        ("1.1.1.1", "https://1.1.1.1/"),
        ("http://x.com", "http://x.com/"),
        ("dns:x.com", "dns:x.com"),
        ("tcp://x.com:22", "tcp://x.com:22"),
    ],
)
def test_a_typed_name_means_its_site_over_https(typed: str, url: str) -> None:
    assert parse_typed(typed).url == url


@pytest.mark.parametrize("typed", ["facebok", "", "   ", "two words.com", "10.0.0.1", "mailto:me@x.com", "x.com:99999"])
def test_a_typed_word_that_names_nothing_is_refused_as_it_was_typed(typed: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        parse_typed(typed)
    assert str(caught.value).startswith(f"{typed!r}: ")


def test_a_name_is_lower_case_a_labels_without_the_roots_dot() -> None:
    assert ascii_name("Почта.РФ.") == "xn--80a1acny.xn--p1ai"


_HOST = st.text(alphabet="abcxyz019-._[]:%@яé。１\u200c", max_size=24)
_URL = st.builds(
    "{}://{}{}".format, st.sampled_from(["http", "https", "tcp", "tls", "quic", "x"]), _HOST, st.text(max_size=8)
)


@given(st.one_of(st.text(), _URL))
@example("http://\ud800/")
@example("http://١٢٧.0.0.1/")
@example("dns:" + "я" * 300)
def test_any_text_either_is_a_target_that_reads_back_the_same_or_is_refused(text: str) -> None:
    for parse in (parse_target, parse_typed):
        target, fault = None, ""
        try:
            target = parse(text)
        except CatalogueError as error:
            fault = str(error)
        assert "\n" not in fault
        if target is not None:
            assert parse_target(target.url) == target
            assert target.host.isascii()
            assert target.url.isascii()
            assert is_public(target.host) or not is_address(target.host)
