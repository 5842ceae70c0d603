"""Good chains of every kind are valid, bad ones are not, and the reason has the right word."""

import time
from collections.abc import Sequence
from pathlib import Path

import certifi
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.net.chain import Roots, RootsError, matches, prove
from probe.wire.vocabulary import Failure

from .chains import DAY, NOW, Identity, issue, new_key

UNKNOWN, INVALID = Failure.SSL_UNKNOWN_AUTHORITY, Failure.SSL_INVALID_CERTIFICATE
NAME = "x.com"


def trusting(*anchors: Identity, tmp_path: Path) -> Roots:
    (tmp_path / "roots.pem").write_bytes(b"".join(anchor.pem for anchor in anchors))
    return Roots.load(tmp_path / "roots.pem")


def verdict(roots: Roots, *chain: Identity) -> str | None:
    return prove([identity.der for identity in chain], NAME, roots, NOW).failure


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lax"])
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_good_chains(kind: str, strict: bool, tmp_path: Path) -> None:
    root = issue("root", ca=True, strict=strict, key=new_key(kind))
    middle = issue("middle", root, ca=True, strict=strict, key=new_key(kind))
    leaf = issue(NAME, middle, names=(NAME,), strict=strict, key=new_key(kind))
    direct = issue(NAME, root, names=(NAME,), strict=strict)
    roots = trusting(root, tmp_path=tmp_path)
    assert verdict(roots, leaf, middle) is None
    assert verdict(roots, leaf, middle, root) is None, "root included"
    assert verdict(roots, leaf, root, middle) is None, "in another order"
    assert verdict(roots, leaf, issue("stranger", ca=True), middle, middle) is None, "with what has no place in it"
    assert verdict(roots, direct) is None, "no intermediate"
    assert verdict(roots, leaf) == UNKNOWN, "intermediate missing"


def test_lax_certificates_that_the_usual_clients_accept(tmp_path: Path) -> None:
    plain = issue("a root from before extensions", ca=True, constraints=False)
    roots = trusting(plain, tmp_path=tmp_path)
    assert verdict(roots, issue(NAME, plain, names=(NAME,))) is None
    assert verdict(roots, issue(NAME, plain, strict=False)) is None, "no alternative name: the host does not match"
    assert verdict(roots, issue(NAME, plain, names=(NAME,), ca=True)) is None, "a leaf that is an authority"
    assert verdict(roots, issue(NAME, plain, names=(NAME, "_odd.x.com", "f*o.x.com"))) is None


def test_certificates_of_trustme(tmp_path: Path) -> None:
    authority = trustme.CA()
    middle = authority.create_child_ca()
    leaf = middle.issue_cert(NAME)
    authority.cert_pem.write_to_path(str(tmp_path / "roots.pem"))
    chain = [x509.load_pem_x509_certificate(blob.bytes()) for blob in leaf.cert_chain_pems]
    der = [Identity(certificate, new_key()).der for certificate in chain]
    assert prove(der, NAME, Roots.load(tmp_path / "roots.pem"), NOW).failure is None


def test_a_cross_signed_root_whose_old_authority_expired(tmp_path: Path) -> None:
    """As with Let's Encrypt and DST Root CA X3 in 2021."""
    old, new = issue("old root", ca=True, end=NOW - DAY), issue("new root", ca=True)
    cross = issue("new root", old, ca=True, key=new.key, end=NOW - DAY)
    middle = issue("middle", new, ca=True)
    leaf = issue(NAME, middle, names=(NAME,))
    assert verdict(trusting(new, tmp_path=tmp_path), leaf, middle, cross) is None
    assert verdict(trusting(new, old, tmp_path=tmp_path), leaf, middle, cross) is None


def test_expired_and_not_yet_valid(tmp_path: Path) -> None:
    root = issue("root", ca=True)
    roots = trusting(root, tmp_path=tmp_path)
    gone = issue("middle", root, ca=True, end=NOW - DAY)
    assert verdict(roots, issue(NAME, root, names=(NAME,), end=NOW - DAY)) == INVALID
    assert verdict(roots, issue(NAME, root, names=(NAME,), start=NOW + DAY)) == INVALID
    assert verdict(roots, issue(NAME, gone, names=(NAME,)), gone) == INVALID


def test_validity_is_judged_by_the_clock_that_is_given(tmp_path: Path) -> None:
    root = issue("root", ca=True)
    roots, leaf = trusting(root, tmp_path=tmp_path), issue(NAME, root, names=(NAME,))
    for days, failure in ((60, INVALID), (0, None), (-60, INVALID), (0, None)):
        assert prove([leaf.der], NAME, roots, NOW + days * DAY).failure == failure


def test_unknown_authorities(tmp_path: Path) -> None:
    root = issue("root", ca=True)
    roots = trusting(root, tmp_path=tmp_path)
    forger = issue("Kaspersky", ca=True)
    assert verdict(roots, issue(NAME, names=(NAME,))) == UNKNOWN, "self-signed"
    assert verdict(roots, issue(NAME, names=(NAME,), end=NOW - DAY)) == UNKNOWN, "self-signed and expired"
    assert verdict(roots, issue(NAME, forger, names=(NAME,))) == UNKNOWN
    assert verdict(roots, issue(NAME, forger, names=(NAME,)), forger) == UNKNOWN, "its root included"


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lax"])
def test_a_forger_that_bears_the_roots_name_is_unknown(strict: bool, tmp_path: Path) -> None:
    root, forger = issue("root", ca=True, strict=strict), issue("root", ca=True, strict=strict)
    leaf = issue(NAME, forger, names=(NAME,), strict=strict)
    assert verdict(trusting(root, tmp_path=tmp_path), leaf) == UNKNOWN
    assert verdict(trusting(root, tmp_path=tmp_path), leaf, forger) == UNKNOWN


def test_who_may_not_issue_and_who_may_not_serve(tmp_path: Path) -> None:
    root = issue("root", ca=True)
    roots, end = trusting(root, tmp_path=tmp_path), issue("y.com", root, names=("y.com",))
    assert verdict(roots, issue(NAME, end, names=(NAME,)), end) == INVALID, "issued by a leaf"
    client = issue(NAME, root, names=(NAME,), usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    assert verdict(roots, client) == INVALID, "for clients only"


def test_the_leaf_is_read_whether_or_not_the_chain_is_valid(tmp_path: Path) -> None:
    forger = issue("Notices, Inc.", ca=True)
    leaf = issue(NAME, forger, names=(NAME,))
    proof = prove([leaf.der], NAME, trusting(issue("root", ca=True), tmp_path=tmp_path), NOW)
    assert (proof.failure, proof.host_match) == (UNKNOWN, True)
    assert (proof.issuer, proof.not_after) == (r"CN=Notices\, Inc.", "2026-07-01T00:00:00Z")


@pytest.mark.parametrize(
    ("names", "asked", "match"),
    [
        (("x.com",), "x.com", True),
        (("X.COM",), "x.com", True),
        (("x.com",), "X.com.", True),
        (("x.com",), "www.x.com", False),
        (("*.x.com",), "www.x.com", True),
        (("*.x.com",), "a.b.x.com", False),
        (("*.x.com",), "x.com", False),
        (("*.com",), "x.com", False),
        (("w*.x.com",), "www.x.com", False),
        (("*",), "x.com", False),
        (("xn--bcher-kva.example",), "xn--bcher-kva.example", True),
        (("y.com", "x.com"), "x.com", True),
        (("192.0.2.1",), "192.0.2.1", True),
        (("192.0.2.1",), "192.0.2.2", False),
        (("2001:db8::1",), "2001:db8:0::1", True),
        (("*.0.2.1", "192.0.2.9"), "192.0.2.1", False),
        (("x.com",), "", False),
        ((), "x.com", False),
    ],
)
def test_host_names(names: Sequence[str], asked: str, match: bool) -> None:
    assert matches(issue("x.com", names=tuple(names)).certificate, asked) is match


def test_a_hundred_certificates_are_judged_in_bounded_time(tmp_path: Path) -> None:
    root = issue("root", ca=True)
    issuer, between = root, list[Identity]()
    for number in range(98):
        issuer = issue(f"authority {number}", issuer, ca=True)
        between.insert(0, issuer)
    leaf = issue(NAME, issuer, names=(NAME,))
    roots = trusting(root, tmp_path=tmp_path)
    started = time.process_time()
    assert verdict(roots, leaf, *between) is None
    assert verdict(roots, leaf, *reversed(between)) is None
    assert verdict(roots, leaf, *between[:50]) == UNKNOWN
    assert time.process_time() - started < 1


def test_many_authorities_of_one_name_do_not_multiply_the_work(tmp_path: Path) -> None:
    root = issue("a", ca=True, strict=False)
    crowd = [issue("a", issue("a", ca=True, strict=False), ca=True, strict=False) for _ in range(98)]
    leaf = issue(NAME, crowd[0], names=(NAME,), strict=False)
    started = time.process_time()
    assert verdict(trusting(root, tmp_path=tmp_path), leaf, *crowd) is not None
    assert time.process_time() - started < 1


@given(st.lists(st.binary(max_size=200), max_size=4))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_an_invalid_chain(chain: list[bytes]) -> None:
    proof = prove(chain, NAME, PUBLIC, NOW)
    assert (proof.failure, proof.host_match) == (INVALID, None)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_leaf_is_never_valid(data: st.DataObject) -> None:
    der = bytearray(LEAF.der)
    at = data.draw(st.integers(0, len(der) - 1))
    der[at] ^= data.draw(st.integers(1, 255))
    assert prove([bytes(der)], NAME, TRUSTING, NOW).failure in {UNKNOWN, INVALID}


PUBLIC = Roots.load(None)
ROOT = issue("root", ca=True, key=ec.generate_private_key(ec.SECP256R1()))
LEAF = issue(NAME, ROOT, names=(NAME,))
TRUSTING = PUBLIC.with_private(ROOT.pem)


def test_a_private_root_is_trusted_beside_the_others_and_only_where_asked() -> None:
    assert verdict(TRUSTING, LEAF) is None
    assert verdict(PUBLIC, LEAF) == UNKNOWN
    assert verdict(TRUSTING.with_private(issue("another", ca=True).pem.decode()), LEAF) is None


def test_an_empty_chain_is_invalid() -> None:
    assert prove([], NAME, PUBLIC, NOW).failure == INVALID


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "name a readable file"),
        (b"", "no certificate in it"),
        (b"\xff\x00 no PEM", "no certificate in it"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "damaged"),
    ],
)
def test_a_bad_ca_file_is_one_line_that_names_it(content: bytes | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RootsError) as caught:
        Roots.load(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bad_private_root_is_an_error_too() -> None:
    with pytest.raises(RootsError, match="private root"):
        PUBLIC.with_private("nothing")


def test_the_pinned_roots_are_all_there() -> None:
    assert Path(certifi.where()).read_text().count("BEGIN CERTIFICATE") == len(PUBLIC._certificates)
