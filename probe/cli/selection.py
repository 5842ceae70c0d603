"""From the words that a person types to what is measured."""

import difflib
from collections.abc import Iterable, Sequence

from probe.catalogue.model import Catalogue, CatalogueError, Endpoint
from probe.catalogue.targets import parse_typed
from probe.measure.task import Task
from probe.verdict.pages import within

_NOT_YET = frozenset({"quic"})  # schemes that a catalogue may hold and this version has no step for


def tasks_for(words: Sequence[str], catalogue: Catalogue) -> list[Task]:
    """Each word is a platform (`x`), a service of one (`whatsapp.messaging`), or a URL; none means everything.
    Raises CatalogueError where a word is none of these."""
    if not words:
        return [Task.of(endpoint, catalogue) for endpoint in _measurable(catalogue.endpoints())]
    found: dict[tuple[str | None, str | None, str], Task] = {}
    for word in words:
        for task in _of_word(word, catalogue):
            found.setdefault((task.platform, task.service, task.target.url), task)
    return list(found.values())


def _of_word(word: str, catalogue: Catalogue) -> list[Task]:
    endpoints = _catalogued(word, catalogue)
    _refuse_misspelt_service(word, catalogue)
    if endpoints:
        return [Task.of(endpoint, catalogue) for endpoint in _measurable(endpoints)]
    if "://" not in word and "." not in word and not word.startswith("dns:"):
        raise CatalogueError(_unknown(word, catalogue))
    target = parse_typed(word)
    if target.scheme in _NOT_YET:
        raise CatalogueError(f"{word!r}: this version measures no {target.scheme}; try https://{target.host}/")
    listed = [endpoint for endpoint in catalogue.endpoints() if endpoint.url == target.url]
    return [Task.of(endpoint, catalogue) for endpoint in listed] or [Task(target)]


def _measurable(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    return [endpoint for endpoint in endpoints if endpoint.target.scheme not in _NOT_YET]


def _catalogued(word: str, catalogue: Catalogue) -> Sequence[Endpoint]:
    name, _, service = word.lower().partition(".")
    platform = catalogue.platform(name)
    if platform is None:
        return ()
    return [endpoint for one in platform.services if service in {"", one.id} for endpoint in one.endpoints]


def _refuse_misspelt_service(word: str, catalogue: Catalogue) -> None:
    """`whatsapp.messagin` is no host that its writer means to contact; `x.com`, a domain of X's, is."""
    name, _, service = word.lower().partition(".")
    platform = catalogue.platform(name)
    if platform is None or not service or within(word.lower(), platform.domains):
        return
    services = [one.id for one in platform.services]
    if service not in services:
        raise CatalogueError(
            f"{name} has no service {service!r}, but {', '.join(services)}; a site is written as https://{word}/"
        )


def _unknown(word: str, catalogue: Catalogue) -> str:
    ids = [platform.id for platform in catalogue.platforms]
    names = {platform.name.lower(): platform.id for platform in catalogue.platforms}
    near = difflib.get_close_matches(word.lower(), [*ids, *names], n=1)
    hint = f"did you mean {names.get(near[0], near[0])}? " if near else ""
    return f"unknown platform {word!r}: {hint}`probe catalogue list` shows all; a site is written as https://NAME/"
