"""Scenarios out of their files: the shipped ones by name, others by path."""

import difflib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from probe.catalogue.model import CatalogueError
from probe.catalogue.reading import convert, decode_text, parse_yaml, read_bytes
from probe.lab.scenario.checks import faults
from probe.lab.scenario.model import (
    ControlForm,
    End,
    Event,
    Expect,
    First,
    Home,
    IspForm,
    Phase,
    Scenario,
    ScenarioError,
)

_SUFFIXES = (".yaml", ".yml")


def scenarios_path() -> Path:
    """The scenarios inside the installed package, or those of a checkout."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "shipped" / "scenarios", package.parent / "configs" / "scenarios"):
        if folder.is_dir():
            return folder
    raise ScenarioError("the shipped scenarios are missing: install the package again, or name a scenario's file")


def shipped() -> list[Path]:
    return sorted(file for file in scenarios_path().iterdir() if file.suffix in _SUFFIXES)


def find(word: str) -> Path:
    """A path as it is, else the shipped scenario of that name. Raises ScenarioError."""
    if word.endswith(_SUFFIXES) or "/" in word:
        return Path(word)
    files = {file.stem: file for file in shipped()}
    if word not in files:
        near = difflib.get_close_matches(word, files, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ScenarioError(
            f"no scenario {word!r}: {hint}`probe lab list` shows them all; others are named by their file"
        )
    return files[word]


def load_scenario(path: Path) -> Scenario:
    """Raises ScenarioError with the first fault."""
    name = str(path)
    try:
        document = parse_yaml(decode_text(read_bytes(path, name), name), name)
        scenario = _scenario(document, name)
        first = next(faults(scenario), None)
    except CatalogueError as error:
        raise ScenarioError(str(error)) from None
    if first is not None:
        raise ScenarioError(f"{name}: {first[0]}: {first[1]}")
    return scenario


def _scenario(document: object, name: str) -> Scenario:
    """Each part by itself first, so that its fault is told with its own keys."""
    if isinstance(document, dict):
        for where, part, form in _parts(document):
            convert(part, form, name, where)
    return convert(document, Scenario, name)


def _parts(document: dict[object, object]) -> Iterator[tuple[str, object, type[msgspec.Struct]]]:
    for isp, place in _items(document.get("isps"), "isps"):
        yield from ((f"{place}.{at}", home, Home) for home, at in _items(_key(isp, "homes"), "homes"))
        yield place, isp, IspForm
    for key, form in (("controls", ControlForm), ("events", Event)):
        yield from ((place, item, form) for item, place in _items(document.get(key), key))
    expect = document.get("expect", {})
    for key, one in (("first", First), ("end", End)):
        if _key(expect, key) is not None:
            yield f"expect.{key}", _key(expect, key), one
    yield from ((f"expect.{at}", phase, Phase) for phase, at in _items(_key(expect, "phases"), "phases"))
    yield "expect", expect, Expect


def _items(value: object, key: str) -> Iterator[tuple[object, str]]:
    if isinstance(value, list):
        yield from ((item, f"{key}[{index}]") for index, item in enumerate(value))


def _key(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None
