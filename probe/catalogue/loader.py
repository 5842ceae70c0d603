"""A catalogue out of its folder of files, or out of a person's own file.

A whole catalogue is `platforms/*.yaml` (one platform a file), `infrastructure.yaml` and `roots/*.pem`. A person's
own may be a folder of platform files or a single one: what it lacks comes from the shipped catalogue. Its version is
a hash of the bytes of all files that were read, so that equal catalogues have equal versions everywhere.
"""

import base64
import hashlib
import re
from collections.abc import Collection
from pathlib import Path

from probe.catalogue.infrastructure import infrastructure_of
from probe.catalogue.model import Catalogue, CatalogueError, Infrastructure, Platform
from probe.catalogue.platforms import platform_of
from probe.catalogue.reading import decode_text, parse_yaml, read_bytes

INFRASTRUCTURE = "infrastructure.yaml"
FINGERPRINTS = "fingerprints.yaml"
TABLES = "tables.yaml"
_NO_PLATFORMS = (INFRASTRUCTURE, FINGERPRINTS, TABLES)
_YAML_SUFFIXES = (".yaml", ".yml")

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END CERTIFICATE-----")


class CatalogueFaults(CatalogueError):
    """Everything that is wrong with a catalogue. As text it is the first fault, in one line."""

    def __init__(self, faults: list[str]) -> None:
        more = len(faults) - 1
        super().__init__(faults[0] + (f" (and {more} more: run `probe catalogue check`)" if more else ""))
        self.faults = tuple(faults)


def default_catalogue_path() -> Path:
    """The catalogue inside the installed package, or that of a checkout. Raises CatalogueError where there is none."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "shipped" / "catalogue", package.parent / "configs" / "catalogue"):
        if folder.is_dir():
            return folder
    raise CatalogueError("the shipped catalogue is missing: install the package again, or name one with --catalogue")


def load_catalogue(path: Path) -> Catalogue:
    """The catalogue in the folder or file. Raises CatalogueFaults with all faults that could be found."""
    return _Loading(path).catalogue()


class _Loading:
    """One catalogue being read: what was read so far, for its version, and what is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: list[str] = []
        self.digest = hashlib.sha256()
        self.files_by_id: dict[str, str] = {}

    def catalogue(self) -> Catalogue:
        files = platform_files(self.path)
        shipped = default_catalogue_path() if self._lacks(INFRASTRUCTURE) or self._lacks("roots") else None
        roots = self._roots(shipped)
        platforms = [p for file in files if (p := self._platform(file, roots)) is not None]
        infrastructure = self._infrastructure(shipped)
        if self.faults or infrastructure is None:
            raise CatalogueFaults(self.faults)
        return Catalogue(
            version=self.digest.hexdigest()[:16],
            platforms=tuple(platforms),
            infrastructure=infrastructure,
            roots=roots,
        )

    def _lacks(self, name: str) -> bool:
        return not (self.path / name).exists()

    def _name(self, file: Path) -> str:
        return file.relative_to(self.path).as_posix() if file != self.path and self.path in file.parents else str(file)

    def _text(self, file: Path) -> str:
        name = self._name(file)
        raw = read_bytes(file, name)
        self.digest.update(f"{file.name}\0{len(raw)}\0".encode())
        self.digest.update(raw)
        return decode_text(raw, name)

    def _platform(self, file: Path, roots: Collection[str]) -> Platform | None:
        name = self._name(file)
        try:
            document = parse_yaml(self._text(file), name)
        except CatalogueError as error:
            self.faults.append(str(error))
            return None
        platform = platform_of(document, name, roots, self.faults)
        if platform is not None and self.files_by_id.setdefault(platform.id, name) != name:
            self.faults.append(f"{name}: id: duplicate id {platform.id!r}, also in {self.files_by_id[platform.id]}")
        return platform

    def _infrastructure(self, shipped: Path | None) -> Infrastructure | None:
        own = self.path / INFRASTRUCTURE
        file = own if shipped is None or not self._lacks(INFRASTRUCTURE) else shipped / INFRASTRUCTURE
        try:
            return infrastructure_of(parse_yaml(self._text(file), self._name(file)), self._name(file))
        except CatalogueError as error:
            self.faults.append(str(error))
            return None

    def _roots(self, shipped: Path | None) -> dict[str, str]:
        folders = [folder / "roots" for folder in (shipped, self.path) if folder is not None]
        roots: dict[str, str] = {}
        for file in (file for folder in folders for file in sorted(folder.glob("*.pem"))):
            try:
                roots[file.stem] = certificates(self._text(file), self._name(file))
            except CatalogueError as error:
                self.faults.append(str(error))
        return roots


def platform_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise CatalogueError(f"{path}: no such file or folder: name a catalogue's folder or a platform's YAML file")
    folder = path / "platforms" if (path / "platforms").is_dir() else path
    files = sorted(f for f in folder.iterdir() if f.suffix in _YAML_SUFFIXES and f.name not in _NO_PLATFORMS)
    if not files:
        raise CatalogueError(f"{folder}: holds no platforms: expected one YAML file for each")
    return files


def certificates(text: str, name: str) -> str:
    """The PEM certificates of the file, without what is written between them."""
    blocks = list(_CERTIFICATE.finditer(text))
    if not blocks or len(blocks) != text.count("-----BEGIN"):
        raise CatalogueError(f"{name}: must hold certificates in PEM form and no keys")
    for block in blocks:
        try:
            der = base64.b64decode("".join(block[1].split()), validate=True)
        except ValueError:
            raise CatalogueError(f"{name}: a certificate is not valid base64") from None
        if der[:1] != b"\x30":
            raise CatalogueError(f"{name}: a certificate is not DER inside")
    return "".join(f"{block[0]}\n" for block in blocks)
