"""The collector as virtual probes and a reader see it: enrolment, check-ins, reports, and the reading API."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar

import httpx
import msgspec
import trio
import zstandard

from probe.lab.model import LabError
from probe.lab.simulate.fleet import Resident
from probe.lab.simulate.rounds import AGENT
from probe.wire.reports import Accepted, Checkin, Enrolled, Enrolment, Refused, Report
from probe.wire.signed import Lease, Signed

_TIMEOUT = 60.0  # seconds: an analysis that lags must not look like a collector that is gone
_AT_ONCE = 8  # requests
_PATIENCE = 20  # times that a busy collector is asked again
_PAGE = 1000

T = TypeVar("T")


class Held(msgspec.Struct, frozen=True):
    """A lease as a report carries it, under its key."""

    key: str
    signed: Signed
    expires_at: dt.datetime


class Collector:
    """Use it as a context. Methods raise LabError. `forwarded`: the collector takes this machine for its own reverse
    proxy, and believes what it says of where a request comes from. `reader` is a token of the role read."""

    def __init__(self, base: str, *, forwarded: bool) -> None:
        self.base = base.rstrip("/")
        self.reader: str | None = None
        self._forwarded = forwarded
        limits = httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=_AT_ONCE)
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, limits=limits, trust_env=False)
        self._packer = zstandard.ZstdCompressor(level=3)

    async def __aenter__(self) -> "Collector":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def enrol(self, code: str) -> Enrolled:
        body = msgspec.json.encode(Enrolment(invitation=code, agent=AGENT))
        return _decoded(await self._asked("POST", "/enrol", body), Enrolled)

    async def check_in(self, resident: Resident, token: str) -> Held | None:
        query = f"/checkin?country={resident.country}&asn={resident.asn}"
        signed = _decoded(await self._asked("GET", query, headers=self._as(resident, token)), Checkin).lease
        if signed is None:
            return None
        lease = _decoded(signed.payload.encode(), Lease)
        key = hashlib.sha256(signed.payload.encode()).hexdigest()[:12]
        return None if lease.proxied else Held(key, signed, lease.expires_at)

    async def send(self, resident: Resident, token: str, report: Report) -> None:
        body = self._packer.compress(msgspec.json.encode(report))
        headers = self._as(resident, token) | {"Content-Type": "application/json", "Content-Encoding": "zstd"}
        accepted = _decoded(await self._asked("POST", "/reports", body, headers), Accepted)
        if accepted.report_id != report.report_id:
            raise LabError(f"{self.base}: acknowledged another report than was sent")

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """One document or page of the reading API."""
        headers = {"Accept": "application/json"}
        if self.reader is not None:
            headers["Authorization"] = f"Bearer {self.reader}"
        words = f"?{httpx.QueryParams(dict(query))}" if query else ""
        return _decoded(await self._asked("GET", f"{path}{words}", headers=headers), dict)

    async def read_all(self, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """Every row of every page."""
        rows: list[dict[str, Any]] = []
        asked = {**(query or {}), "limit": str(_PAGE)}
        while True:
            page = await self.read(path, asked)
            rows += page["items"]
            if page.get("next") is None:
                return rows
            asked["cursor"] = page["next"]

    async def _asked(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of a success; who is told to come later does."""
        for _ in range(_PATIENCE):
            url = f"{self.base}/api/v1{path}"
            try:
                answer = await self._http.request(method, url, content=body or None, headers=dict(headers or {}))
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise LabError(f"{self.base}: does not answer: {error or type(error).__name__}") from error
            if answer.is_success:
                return answer.content
            if answer.status_code not in {429, 503}:
                raise LabError(
                    f"{self.base}: {path.partition('?')[0]} is refused ({answer.status_code}): {_why(answer)}"
                )
            await trio.sleep(_later(answer))
        raise LabError(f"{self.base}: has been too busy for too long: {_why(answer)}")

    def _as(self, resident: Resident, token: str) -> dict[str, str]:
        seems = {"X-Forwarded-For": resident.address} if self._forwarded else {}
        return {"Authorization": f"Bearer {token}", **seems}


def _decoded(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LabError(f"the collector's answer cannot be understood: is it one? ({error})") from error


def _why(answer: httpx.Response) -> str:
    try:
        return msgspec.json.decode(answer.content, type=Refused).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "it does not say why, as no collector does: is the address right?"


def _later(answer: httpx.Response) -> float:
    text = answer.headers.get("retry-after", "")
    return min(60.0, float(text)) if text.isdecimal() else 1.0
