"""Files of saved measurements as people have them: whole, in lines, compressed, cut off, or hostile."""

import gzip
import json
import sys
from typing import Any

import pytest
import zstandard

from probe.wire import saved
from probe.wire.codec import endpoint_line
from probe.wire.measurement import Measurement
from probe.wire.ooni_in import OoniMeasurement
from probe.wire.saved import Saved, SavedError, read_saved

from .documents import web
from .measurements import connect, lookup, measured, verdict

OURS = measured("https://x.com/", lookup("x.com", "203.0.113.9"), connect())
LINE = endpoint_line(OURS, verdict())
OONI = json.dumps(web()).encode()


def read(raw: bytes) -> list[Saved | SavedError]:
    return list(read_saved(raw, "file"))


def kinds(raw: bytes) -> list[Any]:
    return [type(item.measurement) if isinstance(item, Saved) else str(item) for item in read(raw)]


def test_our_own_lines_come_back_as_they_were_and_tallies_are_passed_over() -> None:
    tally = b'{"kind": "service", "platform": "x", "outcome": "ok"}'
    (item,) = read(LINE + b"\n" + tally + b"\n\n")
    assert isinstance(item, Saved)
    assert (item.measurement, item.line) == (OURS, 1)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_ours_and_oonis_are_told_apart_however_they_are_packed(pack: Any) -> None:
    assert kinds(pack(LINE + b"\n" + OONI + b"\r\n")) == [Measurement, OoniMeasurement]


def test_several_compressed_pieces_in_one_file_are_all_read() -> None:
    assert len(read(gzip.compress(LINE + b"\n") + gzip.compress(OONI))) == 2
    assert len(read(zstandard.compress(LINE + b"\n") * 3)) == 3


def test_a_single_document_and_an_array_may_span_lines() -> None:
    assert kinds(json.dumps(web(), indent=2).encode()) == [OoniMeasurement]
    assert kinds(b"\xef\xbb\xbf" + json.dumps([web(), json.loads(LINE)], indent=1).encode()) == [
        OoniMeasurement,
        Measurement,
    ]


def test_one_bad_line_does_not_stop_the_next() -> None:
    wrong = b'{"kind": "endpoint", "endpoint": 7}'
    empty = json.dumps(web() | {"test_keys": None}).encode()
    items = kinds(b"\n".join([LINE, b'{"a": ', wrong, b'{"b": 1}', empty, OONI]))
    assert items[0] is Measurement
    assert items[-1] is OoniMeasurement
    assert items[1].startswith("file, line 2: not JSON")
    assert items[2].startswith("file, line 3: not a measurement: ")
    assert "endpoint" in items[2]
    assert items[3].startswith("file, line 4: neither a measurement of ours nor of OONI")
    assert items[4].startswith("file, line 5: test_keys of this web_connectivity measurement is empty")


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "file: the file is empty"),
        (b" \n", "file: the file is empty"),
        (b"no json", "file: not JSON"),
        (b'{"a": ' * 100_000, "nested too deeply"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]", "file, line 1: neither"),
        (gzip.compress(LINE * 100)[:-20], "file: the compressed data is damaged"),
        (zstandard.compress(LINE * 100)[:-3], "file: the compressed data is damaged"),
        (b"\x1f\x8bjunk", "file: the compressed data is damaged"),
        (b"\x28\xb5\x2f\xfdjunk", "file: the compressed data is damaged"),
    ],
)
def test_a_file_that_is_none_is_one_fault(raw: bytes, says: str) -> None:
    (item,) = read(raw)
    assert isinstance(item, SavedError)
    assert says in str(item)


def test_surrogates_and_nan_of_old_tools_are_read() -> None:
    odd = json.dumps(web()).replace('"Example ISP"', '"\\ud800"').replace("1.5", "NaN")
    assert kinds(odd.encode()) == [OoniMeasurement]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_bomb_is_refused(pack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "LIMIT", 1024 * 1024)
    (item,) = read(pack(bytes(2 * 1024 * 1024)))
    assert str(item) == "file: more than 1 MiB when decompressed; split it"


def test_zstd_without_its_package_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (item,) = read(zstandard.compress(LINE))
    assert "pip install zstandard" in str(item)
