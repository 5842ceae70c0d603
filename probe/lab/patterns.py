"""What a filter that looks at packets one by one searches them for."""

from typing import Literal

from probe.lab.interference import NameFilter

Layer = Literal["tls", "http"]
PORTS: dict[Layer, int] = {"tls": 443, "http": 80}


def patterns(name: str, layer: Layer) -> list[bytes]:
    """A server name stands behind its type and length (RFC 6066), a Host behind its field name."""
    exact = name.removeprefix(".").encode()
    end = b"" if layer == "tls" else b"\r\n"
    whole = b"\0" + len(exact).to_bytes(2) + exact if layer == "tls" else b"Host: " + exact + end
    return [whole, name.encode() + end] if name.startswith(".") else [whole]


def by_kernel(recipe: NameFilter) -> bool:
    """Whether netfilter's own string match can do it."""
    return recipe.inspects == "packet" and recipe.action != "close" and not (recipe.residual or recipe.answered)
