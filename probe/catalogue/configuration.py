"""A configuration that a person wrote: one YAML file, read strictly into its form."""

from pathlib import Path
from typing import TypeVar

from probe.catalogue.model import CatalogueError
from probe.catalogue.reading import convert, decode_text, parse_yaml

_LARGEST_FILE = 1 << 20

T = TypeVar("T")


def configuration(text: str, form: type[T], name: str) -> T:
    """An empty text is the form's defaults. Raises CatalogueError."""
    document = parse_yaml(text, name)
    return convert({} if document is None else document, form, name)


def configuration_text(path: Path, how: str) -> str:
    """`how` is the command that writes one. Raises CatalogueError."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise CatalogueError(f"{path}: no such file: `{how}` writes one") from None
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(raw) > _LARGEST_FILE:
        raise CatalogueError(f"{path}: larger than {_LARGEST_FILE >> 20} MiB, which no configuration is")
    return decode_text(raw, str(path))
