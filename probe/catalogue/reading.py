"""From a file to checked structs, with errors that name the file, the line or path in it, and the reason.

Files are YAML 1.2, so that `20:30` stays text and `NO` is Norway. The C parser of ruamel.yaml is five times faster
than its Python one, but knows less of flow style and recurses without a bound: whatever it does not like, and
whatever is nested suspiciously, goes to the Python one, whose messages are better too.
"""

import re
from pathlib import Path
from typing import TypeVar, get_args, get_type_hints

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from probe.catalogue.forms import COUNTRY, ID, LOCATION
from probe.catalogue.model import CatalogueError

LARGEST_FILE = 32 << 20  # bytes; OONI's fingerprints are 0.3 MB
_LARGEST_YAML = 2 << 20  # characters; slow to read, and no file written by hand is as large
_MOST_OPENINGS = 5000  # the C parser overflows the stack somewhere above 20,000 levels

_PATTERNS_IN_WORDS = {  # as msgspec quotes them
    repr(ID): "of lower-case letters, digits and hyphens",
    repr(COUNTRY): "of two capital letters",
    repr(LOCATION): "that is dns, body, title, status, url or header.name in lower case",
}

T = TypeVar("T")

_PATH_IN_MESSAGE = re.compile(r" - at (`key` in )?`\$(.*)`$")
_UNKNOWN_KEY = re.compile(r"Object contains unknown field `(.*)`$")
_MISSING_KEY = re.compile(r"Object missing required field `(.*)`$")
_BAD_CHOICE = re.compile(r"Invalid enum value (.*)$")
_PATTERN = re.compile(r"matching regex ('.*')$")
_TYPE = re.compile(r"`([a-z]+(?: \| [a-z]+)*)`")
_PLAIN_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "object": "a mapping",
    "array": "a list",
    "date": "a date",
    "datetime": "a time",
}


def read_bytes(path: Path, name: str) -> bytes:
    """The file's bytes. Raises CatalogueError where it cannot be read or is absurdly large."""
    try:
        with path.open("rb") as file:  # a device or a pipe has no size to ask for
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CatalogueError(f"{name}: cannot be read: {error.strerror or error}") from None
    if len(raw) > LARGEST_FILE:
        raise CatalogueError(f"{name}: larger than {LARGEST_FILE >> 20} MiB, which no catalogue file is")
    return raw


def decode_text(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CatalogueError(f"{name}:{line}: not UTF-8 text: save the file as UTF-8") from None


def parse_yaml(text: str, name: str) -> object:
    """The document that the YAML holds, of plain Python values. Raises CatalogueError with the line of a fault."""
    if len(text) > _LARGEST_YAML:
        raise CatalogueError(f"{name}: larger than {_LARGEST_YAML >> 20} MiB, and not JSON")
    if sum(map(text.count, ("[", "{", "- ", "? "))) < _MOST_OPENINGS:
        try:
            return YAML(typ="safe").load(text)
        except (YAMLError, ValueError, RecursionError):
            pass  # the Python parser says it better, or takes it
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise CatalogueError(_yaml_fault(error, name)) from None
    except (ValueError, AssertionError) as error:  # ruamel raises these for dates and numbers that cannot be
        raise CatalogueError(f"{name}: broken YAML: {_first_line(str(error))}") from None
    except RecursionError:
        raise CatalogueError(f"{name}: broken YAML: nested too deeply") from None


def _yaml_fault(error: YAMLError, name: str) -> str:
    if not isinstance(error, MarkedYAMLError):
        return f"{name}: broken YAML: {_first_line(str(error))}"
    mark = error.problem_mark or error.context_mark
    where = f"{name}:{mark.line + 1}" if mark is not None else name
    reason = _first_line(error.problem or error.context or "cannot be parsed")
    hint = " (a tab cannot indent: use spaces)" if "'\\t'" in reason else ""
    return f"{where}: broken YAML: {reason}{hint}"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def convert(document: object, type: type[T], name: str, where: str = "") -> T:
    """The document as the struct. `where` is its path in the file, for the message of the CatalogueError."""
    try:
        return msgspec.convert(document, type)
    except msgspec.ValidationError as error:
        raise CatalogueError(_shape_fault(str(error), type, name, where)) from None


def _shape_fault(message: str, type: type, name: str, where: str) -> str:
    match = _PATH_IN_MESSAGE.search(message)
    inner = match[2] if match else ""
    reason = message[: match.start()] if match else message
    path = f"{where}{inner}" if where else inner.removeprefix(".")
    key = "a key: " if match and match[1] else ""
    return f"{located(name, path)}: {key}{_in_plain_words(reason, inner, type)}"


def _in_plain_words(reason: str, inner: str, type: type) -> str:
    """msgspec's sentence as one for a person who never saw Python. `inner` is the path below the struct."""
    if unknown := _UNKNOWN_KEY.match(reason):
        keys = "" if inner else ", ".join(getattr(type, "__struct_fields__", ()))
        return f"unknown key {unknown[1]!r}" + (f": the keys are {keys}" if keys else "")
    if missing := _MISSING_KEY.match(reason):
        return f"the key {missing[1]!r} is missing"
    if bad := _BAD_CHOICE.match(reason):
        choices = get_args(get_type_hints(type).get(inner.removeprefix(".")))
        return f"{bad[1]} is none of its values" + (f": {', '.join(choices)}" if choices else "")
    worded = _PATTERN.sub(lambda match: _PATTERNS_IN_WORDS.get(match[1], match[0]), reason)
    plain = _TYPE.sub(_plain_type, worded)
    return plain[:1].lower() + plain[1:]


def _plain_type(match: re.Match[str]) -> str:
    return " or ".join(_PLAIN_WORDS.get(word, word) for word in match[1].split(" | "))


def located(name: str, path: str) -> str:
    return f"{name}: {path}" if path else name
