"""Platforms of which a part is stopped."""

from probe.lab.cases.case import Case, Expected
from probe.lab.interference import AddressFilter, NameFilter
from probe.lab.model import Site

_OK = Expected(outcomes=("ok",))
_BACKENDS = tuple(f"e{number}.whatsapp.net" for number in range(1, 17))
_DATA_CENTRES = (
    "149.154.175.50",
    "149.154.167.51",
    "149.154.175.100",
    "149.154.167.91",
    "149.154.171.5",
    "95.161.76.100",
)

PLATFORMS = (
    Case(
        name="whatsapp-backends-half",
        targets=("whatsapp",),
        options=("--deep",),
        expected={
            "whatsapp.messaging": Expected(outcomes=("partial",), techniques=("ip-drop",)),
            "whatsapp.web": _OK,
        },
        interferences=(AddressFilter(targets=_BACKENDS[:8], ports=(443, 5222)),),
        platforms=("whatsapp",),
    ),
    Case(
        name="telegram-dc-only",
        targets=("telegram",),
        options=("--deep",),
        expected={
            "telegram.messaging": Expected(outcomes=("blocked",), techniques=("ip-drop",)),
            "telegram.web": _OK,
            "telegram": Expected(outcomes=("partial",)),
        },
        interferences=(AddressFilter(targets=_DATA_CENTRES, ports=()),),
        platforms=("telegram",),
    ),
    Case(
        name="facebook-one-cdn-host",
        targets=("facebook",),
        options=("--deep",),
        expected={
            "facebook.media": Expected(outcomes=("partial", "ok")),
            "facebook.web": _OK,
            "facebook": Expected(outcomes=("partial", "ok")),
        },
        interferences=(NameFilter(names=("scontent.xx.fbcdn.net",), action="reset"),),
        platforms=("facebook",),
    ),
    Case(
        name="port-5222-closed",
        targets=("whatsapp",),
        options=("--deep",),
        expected={"whatsapp": _OK, "whatsapp.messaging": _OK},
        sites=tuple(
            Site(name=name, addresses=(f"157.240.200.{number}",), ports={443: "tcp"})
            for number, name in enumerate(_BACKENDS, start=1)
        ),
        platforms=("whatsapp",),
    ),
)
