"""What `/probe` may be asked for: the catalogue's endpoints, and what the owner allowed beside them."""

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from probe.catalogue.model import Catalogue, CatalogueError, Endpoint, Target
from probe.catalogue.targets import parse_target
from probe.measure.task import Task

_MEASURABLE = frozenset({"https", "http", "tcp", "tls", "dns"})
_SCHEMES_OF_BARE = {"http_2xx": ("https", "http"), "tcp_connect": ("tcp",), "tls_connect": ("tls",)}


class UnknownTarget(Exception):
    """A target that may not be measured: says why, in one line."""


class Targets:
    """`allow` holds URLs of the owner's own choice. One that ends in `*` stands for every URL that begins like it, and
    names scheme, host and the first slash in full: a host is never a pattern. Raises CatalogueError."""

    def __init__(self, catalogue: Catalogue, allow: Sequence[str] = ()) -> None:
        self._catalogue = catalogue
        self._endpoints: dict[str, Endpoint] = {}
        for endpoint in catalogue.endpoints():
            self._endpoints.setdefault(endpoint.url, endpoint)
        self._exact = {parse_target(text).url for text in allow if not text.endswith("*")}
        self._prefixes = tuple(_prefix(text) for text in allow if text.endswith("*"))

    def task(self, text: str, module: str = "") -> tuple[Task, Endpoint | None]:
        """What to measure, and the endpoint where it is the catalogue's. Raises UnknownTarget."""
        for target in _spellings(text, module):
            endpoint = self._endpoints.get(target.url)
            if endpoint is not None or self._allowed(target):
                return self._measurable(target, endpoint)
        raise UnknownTarget(
            "this target is not in the catalogue: /sd/targets lists what is; allow_targets in the configuration adds"
        )

    def _allowed(self, target: Target) -> bool:
        return target.url in self._exact or target.url.startswith(self._prefixes)

    def _measurable(self, target: Target, endpoint: Endpoint | None) -> tuple[Task, Endpoint | None]:
        if target.scheme not in _MEASURABLE:
            raise UnknownTarget(f"this version measures no {target.scheme}")
        if endpoint is not None:
            return Task.of(endpoint, self._catalogue), endpoint
        return Task(target, domains=(target.host.removeprefix("www."),)), None  # redirects stay where the owner meant

    def discovery(self, platforms: Iterable[str] = (), services: Iterable[str] = ()) -> list[dict[str, object]]:
        """For Prometheus's `http_sd_configs`: all endpoints that can be measured, or only those of some platforms or
        services. `__address__` is the URL, as with blackbox_exporter; `__param_target` is it, too."""
        chosen, only = frozenset(platforms), frozenset(services)
        return [
            _group(endpoint)
            for endpoint in self._catalogue.endpoints()
            if endpoint.target.scheme in _MEASURABLE
            and (not chosen or endpoint.platform in chosen)
            and (not only or endpoint.service in only)
        ]


def _group(endpoint: Endpoint) -> dict[str, object]:
    labels = {
        "__metrics_path__": "/probe",
        "__param_target": endpoint.url,
        "__meta_probe_scheme": endpoint.target.scheme,
        "__meta_probe_group": endpoint.group or "",
        "platform": endpoint.platform,
        "service": endpoint.service,
    }
    return {"targets": [endpoint.url], "labels": labels}


def _prefix(text: str) -> str:
    start = text.removesuffix("*")
    target = parse_target(start)
    if target.scheme not in {"https", "http"} or not urlsplit(start).path.startswith("/") or "*" in start:
        raise CatalogueError(f"{text!r}: `*` stands at the end only, after https://HOST/ in full")
    return target.url


def _spellings(text: str, module: str) -> list[Target]:
    """The URL; of a bare host or host:port what blackbox_exporter's module of that name would make of it."""
    schemes = _SCHEMES_OF_BARE.get(module, ())
    bare = "://" not in text and not text.startswith("dns:")
    texts = [f"{scheme}://{text}" for scheme in schemes] if bare and schemes else [text]
    if bare and module == "dns":
        texts = [f"dns:{text}"]
    try:
        return [parse_target(one) for one in texts]
    except CatalogueError as error:
        raise UnknownTarget(str(error)) from None
