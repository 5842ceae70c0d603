"""The configuration as a file for people: values are changed in it, comments and everything else stay."""

import io
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from probe.agent.config import ConfigError, parse_config
from probe.agent.shipped import shipped

Value = str | float | bool | list[str] | None


def with_changes(path: Path, changes: Mapping[str, Value]) -> tuple[str, bool]:
    """The text that the file shall have, checked, and whether that is another than it has. A file that is not there
    begins as the shipped example, with every key explained. Raises ConfigError."""
    before = _text(path)
    document = _loaded(before if before is not None else shipped("agent/probe.yaml").read_text("utf-8"), path)
    for key, value in changes.items():
        document[key] = _flow(value) if isinstance(value, list) else value
    if before is not None and not changes:
        after = before
    else:
        out = io.StringIO()
        _yaml().dump(document, out)
        after = out.getvalue()
    parse_config(after, path)
    return after, after != before


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    return yaml


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}") from None


def _loaded(text: str, path: Path) -> CommentedMap:
    parse_config(text, path)
    try:
        document = _yaml().load(text)
    except YAMLError as error:
        raise ConfigError(f"{path}: broken YAML: {str(error).splitlines()[0]}") from None
    return CommentedMap() if document is None else document


def _flow(items: list[str]) -> CommentedSeq:
    sequence = CommentedSeq(items)
    sequence.fa.set_flow_style()
    return sequence
