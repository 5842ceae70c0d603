"""Lists of fingerprints from where others publish them: files and https URLs."""

import ssl
from pathlib import Path

import certifi
import httpx

from probe.catalogue.model import CatalogueError, Fingerprint
from probe.catalogue.ooni_csv import read_ooni_csv
from probe.catalogue.reading import LARGEST_FILE, decode_text, read_bytes

_TIMEOUT = 30.0  # seconds without a byte


def read_list(source: str, ca_file: Path | None) -> tuple[Fingerprint, ...]:
    """The markers of OONI's CSV at the path or URL. Raises CatalogueError."""
    return read_ooni_csv(decode_text(_fetch(source, ca_file), source), source)


def _fetch(source: str, ca_file: Path | None) -> bytes:
    if source.startswith("https://"):
        return _download(source, _trust(ca_file))
    if "://" in source:
        raise CatalogueError(f"{source}: only https:// is fetched: elsewhere the list could be altered on its way")
    return read_bytes(Path(source), source)


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file or certifi.where()))
    except OSError as error:  # SSLError is one
        raise CatalogueError(f"{ca_file}: no certificate authorities: {error.strerror or error}") from None


def _download(url: str, trust: ssl.SSLContext) -> bytes:
    hooks = {"request": [_refuse_plain]}
    try:
        with (
            httpx.Client(verify=trust, timeout=_TIMEOUT, follow_redirects=True, event_hooks=hooks) as client,
            client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
        ):
            response.raise_for_status()
            return _bounded(response, url)
    except httpx.HTTPStatusError as error:
        raise CatalogueError(f"{url}: the server answered {error.response.status_code}: check the URL") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CatalogueError(f"{url}: cannot be fetched: {str(error) or type(error).__name__}") from None


def _refuse_plain(request: httpx.Request) -> None:
    if request.url.scheme != "https":
        raise CatalogueError(f"{request.url}: redirected to without https://: the list could be altered on its way")


def _bounded(response: httpx.Response, url: str) -> bytes:
    received = bytearray()
    for chunk in response.iter_bytes():
        received += chunk
        if len(received) > LARGEST_FILE:
            raise CatalogueError(f"{url}: larger than {LARGEST_FILE >> 20} MiB, which no list of fingerprints is")
    return bytes(received)
