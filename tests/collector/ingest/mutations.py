"""Bodies that are nearly reports: of the JSON's tree, of its text, of the compressed bytes."""

import copy
import gzip
import random
from collections.abc import Callable
from typing import Any

import msgspec
import zstandard

STRANGE: list[Any] = [
    None,
    True,
    0,
    -1,
    2**31,
    2**53,
    2**64,
    -(2**70),
    1e308,
    -1e-308,
    "",
    "x" * 10_000,
    "\x00",
    "\ud7ff\uffff",
    "💥" * 100,
    "2026-11-22T06:00:00Z",
    "9999-12-31T23:59:59.999999-23:59",
    "0001-01-01T00:00:00+23:59",
    "../../etc/passwd",
    "'; DROP TABLE entries; --",
    [],
    {},
    [[[[[[]]]]]],
    {"step": "dns"},
    [None] * 1500,
    {str(number): number for number in range(200)},
]
FRAGMENTS = [
    b"NaN",
    b"Infinity",
    b"1e999",
    b"-",
    b'"\\ud800"',
    b'"\\u0000"',
    b"\xff\xfe\x00",
    b"\xc3\x28",
    b"[" * 3000,
    b'{"a":' * 3000,
    b"]" * 50,
    b",,",
    b'"',
    b"\\",
    b"1" * 5000,
    b"/*",
    b"\r\n\r\n",
    b"",
]

Body = tuple[bytes, bytes]  # Content-Encoding, bytes


class Mutator:
    def __init__(self, seed: int, document: bytes) -> None:
        self.random = random.Random(seed)
        self._document = document
        self._ways: list[Callable[[], Body]] = [self._of_tree, self._of_text, self._of_packed, self._of_frame]

    def body(self) -> Body:
        return self.random.choice(self._ways)()

    def _of_tree(self) -> Body:
        """Right JSON with wrong values, keys left out, keys swapped."""
        tree = msgspec.json.decode(self._document)
        for _ in range(self.random.randint(1, 3)):
            self._change(tree)
        return self._packed(msgspec.json.encode(tree))

    def _change(self, tree: Any) -> None:
        spot = tree
        while isinstance(spot, dict | list) and spot:
            keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
            key = self.random.choice(keys)
            inner = spot[key]
            if not isinstance(inner, dict | list) or not inner or self.random.random() < 0.2:
                self._replace(spot, key)
                return
            spot = inner

    def _replace(self, spot: Any, key: Any) -> None:
        match self.random.randrange(4):
            case 0 if isinstance(spot, dict):
                del spot[key]
            case 1 if isinstance(spot, list):
                spot.extend(spot[:200])
            case 2 if isinstance(spot, dict):
                other = self.random.choice(list(spot))
                spot[key], spot[other] = spot[other], spot[key]
            case _:
                spot[key] = copy.deepcopy(self.random.choice(STRANGE))

    def _of_text(self) -> Body:
        """Broken JSON: bytes flipped, cut, doubled, put in."""
        return self._packed(self._scrambled(self._document))

    def _of_packed(self) -> Body:
        """Broken compression around a right report."""
        encoding, raw = self._packed(self._document)
        return encoding, self._scrambled(raw)

    def _of_frame(self) -> Body:
        """A zstd or gzip head, then noise; or a right body under a wrong name."""
        if self.random.random() < 0.5:
            head = self.random.choice([b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08\x00", b"\x50\x2a\x4d\x18", b""])
            noise = head + self.random.randbytes(self.random.randrange(300))
            return self.random.choice([b"zstd", b"gzip", b"identity"]), noise
        names = [b"zstd", b"gzip", b"identity", b"", b"br", b"zstd, gzip", b"ZSTD", b"\xff"]
        return self.random.choice(names), self._packed(self._document)[1]

    def _scrambled(self, raw: bytes) -> bytes:
        body = bytearray(raw)
        for _ in range(self.random.randint(1, 4)):
            at = self.random.randrange(len(body) + 1)
            match self.random.randrange(4):
                case 0 if at < len(body):
                    body[at] ^= 1 << self.random.randrange(8)
                case 1:
                    del body[at : at + self.random.randint(1, 500)]
                case 2:
                    body[at:at] = body[at : at + self.random.randint(1, 500)]
                case _:
                    body[at:at] = self.random.choice(FRAGMENTS)
        return bytes(body)

    def _packed(self, document: bytes) -> Body:
        match self.random.randrange(4):
            case 0:
                return b"gzip", gzip.compress(document, 1)
            case 1:
                return b"identity", document
            case 2:
                return b"zstd", zstandard.ZstdCompressor(level=1, write_content_size=False).compress(document)
            case _:
                return b"zstd", zstandard.ZstdCompressor(level=1).compress(document)
