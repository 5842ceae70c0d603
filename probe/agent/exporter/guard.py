"""Who may ask. The exporter listens on loopback, where every page in the owner's browser can send requests to: none of
them may learn anything, or have anything measured.

A page reaches it under its own host's name (DNS rebinding: the Host header gives that away), or across sites (browsers
say so in Sec-Fetch-Site and Origin). A browser too old to say where a request comes from may not measure.
"""

from collections.abc import Iterable

from probe.agent.exporter.messages import Request

_ALWAYS = ("127.0.0.1", "localhost", "[::1]")
_EVERYWHERE = frozenset({"0.0.0.0", "::", "[::]", ""})  # no name of any host
_OWN = frozenset({"same-origin", "none"})  # Sec-Fetch-Site: a link on our own pages, or typed by the owner


class Guard:
    """`allow` are hosts beside loopback's and the one that is listened on, with or without a port, which is ignored."""

    def __init__(self, listen_host: str, allow: Iterable[str] = ()) -> None:
        own = () if listen_host in _EVERYWHERE else (_bracketed(listen_host),)
        self._hosts = frozenset(_host(name) for name in (*_ALWAYS, *own, *map(_bracketed, allow)))

    def refusal(self, request: Request) -> str | None:
        """Why the request is not answered, in one line."""
        host = request.headers.get("host", "")
        if _host(host) not in self._hosts:
            return f"Host {host[:100]!r} is not served here: metrics.allow_hosts in the configuration adds to them"
        site = request.headers.get("sec-fetch-site")
        if site is not None and site not in _OWN:
            return "requests from other web pages are not answered"
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            return "requests from other web pages are not answered"
        if request.path == "/probe" and site is None and _is_browser(request):
            return "this browser does not say where the request comes from: use another one, or curl"
        return None


def _is_browser(request: Request) -> bool:
    return "mozilla/" in request.headers.get("user-agent", "").lower() or "referer" in request.headers


def _host(text: str) -> str:
    """Without the port."""
    text = text.strip().lower()
    return text.partition("]")[0] + "]" if text.startswith("[") else text.partition(":")[0]


def _bracketed(host: str) -> str:
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
