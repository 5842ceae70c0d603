"""What a probe would have recorded of one endpoint while these acts befell it, and what it would have made of it.

The order is that of a real measurement: names, connection, handshake, page, and where one fails the follow-ups that
tell why. The collector judges the records by itself, so they carry the evidence, and not only the end.
"""

import random
from collections.abc import Callable, Sequence

import msgspec

from probe.catalogue.model import Endpoint, Infrastructure
from probe.lab.interference import NOTICE
from probe.lab.simulate.fates import Act
from probe.lab.simulate.surroundings import ANTIVIRUS
from probe.lab.simulate.trail import HALF, Trail
from probe.wire.addresses import is_address, is_public
from probe.wire.steps import AnyStep
from probe.wire.vocabulary import Failure, Outcome, Purpose, Technique

_PAGE = 100_000  # bytes
_CUT = 16_384  # bytes after which a cutoff strikes
_FORGERS = {"antivirus": ANTIVIRUS, "tls-interception": "CN=Middlebox Root CA"}
_OF_NAMES = {
    "dns-nxdomain": Failure.DNS_NXDOMAIN_ERROR,
    "dns-refused": Failure.DNS_REFUSED_ERROR,
    "dns-servfail": Failure.DNS_SERVFAIL_ERROR,
    "dns-timeout": Failure.GENERIC_TIMEOUT_ERROR,
}
_FORGED = ("dns-forged", "dns-injected")
_OF_ADDRESSES = {
    "ip-drop": Failure.GENERIC_TIMEOUT_ERROR,
    "ip-reset": Failure.CONNECTION_REFUSED,
    "ip-unreachable": Failure.HOST_UNREACHABLE,
    "outage-refused": Failure.CONNECTION_REFUSED,
    "outage-silent": Failure.GENERIC_TIMEOUT_ERROR,
}
_OF_HELLOS = {
    "sni-drop": Failure.GENERIC_TIMEOUT_ERROR,
    "sni-reset": Failure.CONNECTION_RESET,
    "sni-close": Failure.EOF_ERROR,
    "tls-drop": Failure.GENERIC_TIMEOUT_ERROR,
    "black-hole": Failure.GENERIC_TIMEOUT_ERROR,
}
_EVERY_NAME = ("tls-drop", "black-hole")
_ON_443 = 443
_SLOW_HANDSHAKE = 50.0  # kB that go over the line until it is done


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    steps: tuple[AnyStep, ...]
    duration: float  # seconds
    outcome: Outcome
    techniques: tuple[Technique, ...] = ()


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """Where the probe is. `address_of` a host, in the scenario's world; `light` rounds end with the handshake."""

    resolver: str
    distance: float
    address_of: Callable[[str], str]
    infrastructure: Infrastructure
    light: bool


def seen(endpoint: Endpoint, acts: Sequence[Act], spot: Spot, chance: random.Random) -> Seen:
    return _Walk(endpoint, acts, spot, chance).go()


def cut_off(endpoint: Endpoint, spot: Spot, chance: random.Random) -> Seen:
    """Without any network."""
    trail = Trail(spot.resolver, spot.distance, chance)
    host = endpoint.target.host
    if is_address(host):
        trail.connect(host, endpoint.target.port, failure=Failure.NETWORK_UNREACHABLE)
    else:
        trail.ask(host, failure=Failure.NETWORK_UNREACHABLE)
        trail.wait(1.0)
        trail.ask(host, failure=Failure.NETWORK_UNREACHABLE, purpose=Purpose.REPEAT)
    return Seen(steps=tuple(trail.steps), duration=trail.now, outcome=Outcome.VOID)


class _Walk:
    def __init__(self, endpoint: Endpoint, acts: Sequence[Act], spot: Spot, chance: random.Random) -> None:
        self._endpoint, self._target, self._spot = endpoint, endpoint.target, spot
        self._acts = {act.technique: act for act in acts}
        self._trail = Trail(spot.resolver, spot.distance, chance)
        self._address = spot.address_of(self._target.host)
        self._techniques: list[Technique] = []
        self._outcome = Outcome.OK

    def go(self) -> Seen:
        if is_address(self._target.host):
            self._reach(self._address, Purpose.TARGET)
        else:
            self._resolve()
        if self._techniques:
            self._outcome = Outcome.BLOCKED
        return Seen(
            steps=tuple(self._trail.steps),
            duration=self._trail.now,
            outcome=self._outcome,
            techniques=tuple(self._techniques),
        )

    # --- names ---

    def _resolve(self) -> None:
        forged = next((self._acts[name] for name in _FORGED if name in self._acts), None)
        failure = next((_OF_NAMES[name] for name in self._acts if name in _OF_NAMES), None)
        if "outage-names" in self._acts:
            self._gone()
        elif forged is not None:
            self._techniques.append(Technique.DNS_FORGED)
            self._misled(forged)
        elif failure is not None:
            self._techniques.append(next(Technique(name) for name in self._acts if name in _OF_NAMES))
            self._unnamed(failure)
        else:
            self._ask()
            if self._target.scheme not in {"https", "tls"}:
                self._ask_trusted()
            self._reach(self._address, Purpose.TARGET)

    def _ask(self) -> None:
        host = self._target.host
        if "loss" in self._acts:
            self._trail.ask(host, failure=Failure.GENERIC_TIMEOUT_ERROR)
            self._trail.wait(5.0)
        purpose = Purpose.REPEAT if "loss" in self._acts else Purpose.TARGET
        self._trail.ask(host, (self._address,), purpose=purpose)

    def _gone(self) -> None:
        """The servers that know the name are unreachable, for everybody."""
        self._outcome = Outcome.DOWN
        failure = Failure.DNS_SERVFAIL_ERROR
        self._trail.ask(self._target.host, failure=failure)
        for resolver in self._trusted():
            self._trail.ask(self._target.host, failure=failure, resolver=resolver, purpose=Purpose.TRUSTED)
        self._trail.wait(1.0)
        self._trail.ask(self._target.host, failure=failure, purpose=Purpose.REPEAT, scale=HALF)

    def _unnamed(self, failure: Failure) -> None:
        trail, host = self._trail, self._target.host
        trail.ask(host, failure=failure)
        self._ask_trusted()
        self._ask_around(injected=())
        self._reach(self._address, Purpose.TRUSTED_ADDRESS)
        trail.wait(5.0 if failure is Failure.GENERIC_TIMEOUT_ERROR else 1.0)
        trail.ask(host, failure=failure, purpose=Purpose.REPEAT, scale=HALF)

    def _misled(self, act: Act) -> None:
        """Only public addresses are connected to, whatever is answered; nobody serves TLS at a notice's."""
        trail, host, told = self._trail, self._target.host, act.address or "0.0.0.0"
        on_path = act.technique == "dns-injected"
        trail.ask(host, (self._address,) if on_path else (told,), forged=(told,) if on_path else ())
        if is_public(told) and self._target.scheme != "dns":
            trail.connect(told, self._target.port, failure=Failure.CONNECTION_REFUSED)
        self._ask_trusted()
        self._ask_around(injected=(told,) if on_path else ())
        self._reach(self._address, Purpose.TRUSTED_ADDRESS)

    def _ask_trusted(self) -> None:
        lost = Failure.GENERIC_TIMEOUT_ERROR if "black-hole" in self._acts else None
        for resolver in self._trusted():
            told = () if lost else (self._address,)
            self._trail.ask(self._target.host, told, resolver=resolver, failure=lost, purpose=Purpose.TRUSTED)

    def _ask_around(self, injected: tuple[str, ...]) -> None:
        """A trusted resolver over plain UDP, and the host itself, which runs none."""
        trail, host, silence = self._trail, self._target.host, Failure.GENERIC_TIMEOUT_ERROR
        plain = self._spot.infrastructure.resolvers[0].addresses[0]
        trail.ask(host, (self._address,), resolver=plain, forged=injected, purpose=Purpose.TRUSTED_UDP)
        for name, purpose in ((self._neutral, Purpose.SILENT_NEUTRAL), (host, Purpose.SILENT_TARGET)):
            heard = injected if purpose is Purpose.SILENT_TARGET else ()
            lost = None if heard else silence
            trail.ask(name, heard, resolver=self._address, failure=lost, purpose=purpose, scale=HALF)

    # --- connections ---

    def _reach(self, address: str, purpose: Purpose) -> None:
        if self._target.scheme == "dns":
            return
        name = next((name for name in self._acts if name in _OF_ADDRESSES), None)
        if name is not None:
            self._unconnected(address, purpose, name)
            return
        self._trail.connect(address, self._target.port, purpose=purpose)
        if self._target.scheme in {"https", "tls"}:
            self._greet(address, purpose)
        elif self._target.scheme == "http":
            self._page(address, purpose, trusted=False)

    def _unconnected(self, address: str, purpose: Purpose, name: str) -> None:
        trail, port, failure = self._trail, self._target.port, _OF_ADDRESSES[name]
        if name.startswith("outage-"):
            self._outcome = Outcome.DOWN
        else:
            self._techniques.append(Technique(name))
        trail.connect(address, port, purpose=purpose, failure=failure)
        trail.wait(5.0 if failure is Failure.GENERIC_TIMEOUT_ERROR else 1.0)
        trail.connect(address, port, purpose=Purpose.REPEAT, failure=failure, scale=HALF)

    def _greet(self, address: str, purpose: Purpose) -> None:
        name = next((name for name in self._acts if name in _OF_HELLOS), None)
        if name is not None and (name not in _EVERY_NAME or self._target.port == _ON_443):
            self._unshaken(address, purpose, name)
            return
        forger = next((_FORGERS[name] for name in self._acts if name in _FORGERS), None)
        if "tls-interception" in self._acts:
            self._techniques.append(Technique.TLS_INTERCEPTION)
        slow = self._acts.get("throttling")
        took = _SLOW_HANDSHAKE / slow.rate if slow else None
        port = self._target.port
        self._trail.shake(address, port, self._target.host, purpose=purpose, forger=forger, took=took)
        if not self._spot.light and self._target.scheme == "https" and forger is None:
            self._page(address, purpose, trusted=True)

    def _unshaken(self, address: str, purpose: Purpose, name: str) -> None:
        """One thing changed at a time: the name, the size of the ClientHello, and once more."""
        trail, port, failure = self._trail, self._target.port, _OF_HELLOS[name]
        whatever = failure if name in _EVERY_NAME else None
        if name == "black-hole":
            self._outcome = Outcome.INCONCLUSIVE
        else:
            self._techniques.append(Technique(name))
        trail.shake(address, port, self._target.host, purpose=purpose, failure=failure)
        trail.connect(address, port, purpose=Purpose.INNOCUOUS)
        trail.shake(address, port, self._neutral, purpose=Purpose.INNOCUOUS, failure=whatever, scale=HALF)
        if whatever is not None:
            trail.connect(address, port, purpose=Purpose.SMALL_HELLO)
            small = Purpose.SMALL_HELLO
            trail.shake(address, port, self._neutral, purpose=small, failure=whatever, profile="small", scale=HALF)
        self._ask_trusted()
        trail.wait(5.0 if failure is Failure.GENERIC_TIMEOUT_ERROR else 1.0)
        trail.connect(address, port, purpose=Purpose.REPEAT)
        trail.shake(address, port, self._target.host, purpose=Purpose.REPEAT, failure=failure, scale=HALF)

    def _page(self, address: str, purpose: Purpose, *, trusted: bool) -> None:
        fetch = self._trail.fetch
        url, port = self._target.url, self._target.port
        status = self._endpoint.healthy[0] if self._endpoint.healthy else 200
        if "http-blockpage" in self._acts and not trusted:
            self._techniques.append(Technique.HTTP_BLOCKPAGE)
            body = (NOTICE.body or "").encode()
            fetch(url, address, port, status=200, length=len(body), trusted=False, title=NOTICE.title, body=body)
            return
        if "http-cutoff" in self._acts:
            self._techniques.append(Technique.HTTP_CUTOFF)
            cut = {"status": status, "length": _CUT, "stall": True}
            fetch(url, address, port, trusted=trusted, purpose=purpose, **cut)  # type: ignore[arg-type]
            self._trail.wait(5.0)
            again = Purpose.REPEAT
            fetch(url, address, port, trusted=trusted, purpose=again, scale=HALF, **cut)  # type: ignore[arg-type]
            return
        slow = self._acts.get("throttling")
        took = _PAGE / 1000 / slow.rate if slow else None
        fetch(url, address, port, status=status, length=_PAGE, trusted=trusted, purpose=purpose, took=took)

    @property
    def _neutral(self) -> str:
        neutral = self._spot.infrastructure.neutral
        return next(name for name in neutral if name != self._target.host)

    def _trusted(self) -> tuple[str, ...]:
        return tuple(resolver.url for resolver in self._spot.infrastructure.resolvers[:2])
