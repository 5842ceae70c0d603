"""The same cases with other details: what must be said does not depend on them."""

from typing import Any

import msgspec

from probe.lab.cases.case import ADDRESSES, NAME, Case


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """`host` and `addresses` in the place of the usual site's, `options` beside the case's own. Of the cases in
    `except_for` it would make others."""

    name: str
    about: str
    host: str = NAME
    addresses: tuple[str, ...] = ADDRESSES
    options: tuple[str, ...] = ()
    except_for: frozenset[str] = frozenset()

    def of(self, case: Case) -> Case | None:
        """None where there is no such variant of the case."""
        about_the_site = all(NAME in target for target in case.targets)
        if not about_the_site or case.name in self.except_for or (self.options and case.options):
            return None
        varied = msgspec.convert(self._replaced(msgspec.to_builtins(case)), Case)
        name, options = f"{case.name}/{self.name}", (*case.options, *self.options)
        return msgspec.structs.replace(varied, name=name, options=options)

    def _replaced(self, value: Any) -> Any:
        """Wherever the site's name or all its addresses stand, in whatever recipe."""
        match value:
            case str():
                return value.replace(NAME, self.host)
            case dict():
                return {self._replaced(key): self._replaced(held) for key, held in value.items()}
            case list() | tuple():
                held = [self._replaced(item) for item in value]
                usual = tuple(held[: len(ADDRESSES)]) == ADDRESSES
                return [*self.addresses, *held[len(ADDRESSES) :]] if usual else held
        return value


_NO_PAGE = frozenset(  # what happens after the handshake, which a light round does not see where all is well
    {
        *("cutoff-16k", "redirect-loop", "sni-drop-after-answer", "sni-reset-after-answer"),
        *("throttle-by-name", "throttle-taints-address", "dns-hijack-transparent"),
    }
)
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(
            name="one-address",
            about="the site has one address, which no clean one can replace",
            addresses=ADDRESSES[:1],
            except_for=frozenset({"ip-drop-one-of-two"}),
        ),
        Variant(
            name="four-addresses",
            about="it has four",
            addresses=(*ADDRESSES, "151.101.193.20", "151.101.2.20"),
            except_for=frozenset({"dns-other-cdn-node"}),
        ),
        Variant(
            name="catalogue-host",
            about="it is an endpoint of the catalogue, known to be public",
            host="x.com",
            except_for=frozenset({"sni-reset-by-suffix"}),
        ),
        Variant(name="light", about="a light round", options=("--light",), except_for=_NO_PAGE),
        Variant(name="deep", about="a deep round", options=("--deep",)),
    )
}
