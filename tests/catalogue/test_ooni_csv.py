"""OONI's CSV form with rows of our own making: the odd things that its real rows do are all here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.catalogue.model import CatalogueError, Fingerprint
from probe.catalogue.ooni_csv import COLUMNS, read_ooni_csv

HEADER = ",".join(COLUMNS) + "\n"


def read(*rows: str) -> tuple[Fingerprint, ...]:
    return read_ooni_csv(HEADER + "".join(f"{row}\n" for row in rows), "list.csv")


def only(row: str) -> Fingerprint:
    (fingerprint,) = read(row)
    return fingerprint


def test_a_row_becomes_a_marker() -> None:
    assert only("our.tr_1,nat,,dns,full,195.175.254.2,5,TR,ooni,https://explorer.example/m,a note") == Fingerprint(
        name="our.tr_1",
        location="dns",
        pattern_type="full",
        pattern="195.175.254.2",
        scope="nat",
        confidence=5,
        countries=("TR",),
        source="ooni/blocking-fingerprints; https://explorer.example/m",
    )


def test_a_header_is_found_by_its_name_in_lower_case() -> None:
    found = only("our.by_1,isp,,header.X-App-URL,prefix,http://notice.example,5,BY,,,")
    assert (found.location, found.pattern_type) == ("header.x-app-url", "prefix")


def test_a_cname_is_compared_in_lower_case_without_the_roots_dot() -> None:
    assert only("our.id_1,isp,,dns,full,Block.Example.ID.,5,ID,,,").pattern == "block.example.id"


def test_an_ipv6_address_is_compared_in_its_short_form() -> None:
    assert only("our.ir_1,nat,,dns,full,D0:0:0:0:0:0:0:11,5,IR,,,").pattern == "d0::11"


@pytest.mark.parametrize(
    ("column", "countries"),
    [("", ()), ("TR", ("TR",)), ('"IN,MM"', ("IN", "MM")), ('"IT, IR"', ("IT", "IR")), ('",ZZ"', ()), ("ZZ", ())],
)
def test_countries_may_be_none_several_or_anywhere(column: str, countries: tuple[str, ...]) -> None:
    assert only(f"n,isp,,body,contains,p q r s,5,{column},,,").countries == countries


def test_a_pattern_may_hold_quotes_commas_and_line_ends() -> None:
    assert only('n,isp,,body,contains,"<a href=""x"">one, two\nthree",5,,,,').pattern == '<a href="x">one, two\nthree'


def test_a_confidence_of_nothing_is_kept() -> None:
    assert only("n,isp,,body,contains,some notice,0,,,,").confidence == 0


@pytest.mark.parametrize("scope", ["nat", "isp", "prod", "inst", "vbw", "fp", "injb", "prov"])
def test_every_scope_of_the_list_is_kept(scope: str) -> None:
    assert only(f"n,{scope},,body,contains,some notice,5,,,,").scope == scope


@pytest.mark.parametrize(
    ("names", "notes"),
    [
        ("cl.dns_isp_tr_family", "optin family oriented DNS service"),
        ("cl.isp_pk_block_optin", ""),
        ("", "this is an opt-in filter"),
        ("", "Opt in porn filter"),
    ],
)
def test_a_filter_that_the_list_calls_opt_in_accuses_nobody(names: str, notes: str) -> None:
    assert only(f"n,isp,{names},dns,full,203.0.113.9,5,TR,,,{notes}").scope == "opt-in"


@pytest.mark.parametrize(
    ("scope", "names", "expected"),
    [
        ("isp", "cl.dns_prod_skyfilter_1", "prod"),
        ("isp", '"cl.isp_x_y,cl.inst_corp_x"', "inst"),
        ("", "cl.dns_prod_id_filter", "prod"),
        ("nat", "cl.dns_isp_x", "isp"),
        ("fp", "cl.isp_x_optin", "fp"),
        ("nat", "cp.c_isp_id_indosat", "nat"),
    ],
)
def test_the_most_cautious_scope_that_its_names_give_is_taken(scope: str, names: str, expected: str) -> None:
    assert only(f"n,{scope},{names},dns,full,203.0.113.9,5,,,,").scope == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "<title>Please Wait... | Cloudflare</title>",
        "<title>Just a moment...</title>",
        "<html><head><title>Attention Required! | Cloudflare</title>",
        "DDoS protection by Cloudflare",
        "cf-browser-verification",
    ],
)
def test_a_marker_of_cloudflares_challenge_is_left_out_but_for_false_positives(pattern: str) -> None:
    rows = [f'a,isp,,body,contains,"{pattern}",5,"IN,MM",,,', "b,isp,,header.server,prefix,cloudflare,5,,,,"]
    assert read(*rows) == ()
    assert only(f'c,fp,,body,contains,"{pattern}",5,,,,').scope == "fp"


def test_a_block_page_that_names_cloudflare_is_not_its_challenge() -> None:
    assert only("n,isp,,body,contains,This address of Cloudflare is blocked by order,5,,,,").scope == "isp"


def test_a_row_that_stands_twice_is_one_marker_with_the_more_cautious_scope() -> None:
    found = read("a,nat,,body,contains,the notice,9,TR,,,", "b,fp,,body,contains,the notice,2,TR,,,")
    assert [(f.name, f.scope, f.confidence) for f in found] == [("a", "fp", 2)]


def test_columns_may_come_in_another_order_and_with_others_and_a_byte_order_mark() -> None:
    columns = ["extra", *reversed(COLUMNS)]
    row = dict.fromkeys(columns, "")
    row |= {"name": "n", "scope": "isp", "location_found": "dns", "pattern_type": "full"}
    row |= {"pattern": "203.0.113.9", "confidence_no_fp": "5"}
    text = "\ufeff" + ",".join(columns) + "\r\n" + ",".join(row.values()) + "\r\n"
    assert [f.pattern for f in read_ooni_csv(text, "list.csv")] == ["203.0.113.9"]


GOOD = 'a,isp,,body,contains,"two\nlines",5,,,,'  # lines 2 and 3


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,isp,,dns,full", "fewer columns than the header has"),
        ("a,isp,,dns,full,x,5,,,,,more", "more columns than the header has"),
        ("a,state,,dns,full,x,5,,,,", "bad scope 'state': expected fp, injb, inst, isp, nat, prod, prov, vbw"),
        ("a,,,dns,full,x,5,,,,", "bad scope ''"),
        ("a,isp,,dns,glob,x,5,,,,", "bad pattern_type 'glob': expected full, prefix, contains, regexp"),
        ("a,isp,,footer,full,x,5,,,,", "bad location_found 'footer': expected dns, body or header.NAME"),
        ("a,isp,,dns,full,,5,,,,", "the pattern is empty"),
        ("a,isp,,body,regexp,(,5,,,,", "the pattern is no regular expression"),
        ("a,isp,,dns,full,x,high,,,,", "bad confidence_no_fp 'high': expected a number from 0 to 10"),
        ("a,isp,,dns,full,x,11,,,,", "bad confidence_no_fp '11'"),
        ("a,isp,,dns,full,x,5,Iran,,,", "bad expected_countries 'Iran'"),
        ('a,isp,,dns,full,x,5,,,,"never closed', "broken CSV"),
    ],
)
def test_a_bad_row_is_named_with_its_line(row: str, reason: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        read(GOOD, row)
    assert str(caught.value).startswith(f"list.csv:4: {reason}")


@pytest.mark.parametrize("text", ["", "<html>not found</html>", "name,scope\n"])
def test_another_kind_of_file_is_refused(text: str) -> None:
    with pytest.raises(CatalogueError, match=r"list.csv:1: no fingerprints of OONI: the column '\w+' is missing"):
        read_ooni_csv(text, "list.csv")


@given(st.text(alphabet='a5,"\n\r\x00.é', max_size=80), st.booleans())
def test_any_text_is_read_or_refused_in_one_line(text: str, headed: bool) -> None:
    fault = ""
    try:
        read_ooni_csv(HEADER * headed + text, "list.csv")
    except CatalogueError as error:
        fault = str(error)
    assert fault == "" or (fault.startswith("list.csv:") and "\n" not in fault)
