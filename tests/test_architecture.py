"""Who may import whom, what the pure packages must not know, and what lies at the top of the tree."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# package: what it may import beside itself. `cli` may import everything.
MAY_IMPORT = {
    "wire": set(),
    "catalogue": {"wire"},
    "verdict": {"wire", "catalogue"},
    "detect": {"wire"},
    "net": {"wire"},
    "measure": {"wire", "catalogue", "net", "verdict"},
    "agent": {"wire", "catalogue", "verdict", "measure"},
    "report": {"wire", "detect"},
    "notify": {"wire", "detect"},
    "collector": {"wire", "catalogue", "verdict", "detect", "report", "notify"},
    "lab": {"wire", "catalogue"},
}
PURE = ("wire", "catalogue", "verdict", "detect")
IMPURE_MODULES = {"trio", "httpx", "httpcore", "anyio", "asyncio", "socket", "ssl", "select", "selectors", "time"}
CLOCKS = {"now", "utcnow", "today"}
TOP_LEVEL = {"pyproject.toml", "README.md", "Dockerfile", "LICENSE", "CHANGELOG.md", "probe", "tests", "configs"}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}

SOURCES = sorted((ROOT / "probe").rglob("*.py"))


def package_of(path: Path) -> str | None:
    """The package of a file, or None for those at the root of `probe`."""
    inside = path.relative_to(ROOT / "probe").parts
    return inside[0] if len(inside) > 1 else None


def imported(path: Path) -> Iterator[str]:
    """Every module that the file names in an import, wherever in it, as an absolute name."""
    inside = path.relative_to(ROOT).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(inside[: len(inside) - node.level]) if node.level else ""
            module = ".".join(filter(None, (start, node.module)))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def ours(name: str) -> str | None:
    parts = name.split(".")
    known = len(parts) > 1 and parts[0] == "probe" and (ROOT / "probe" / parts[1]).is_dir()
    return parts[1] if known else None


def test_there_is_a_rule_for_every_package() -> None:
    packages = {path.parent.name for path in (ROOT / "probe").glob("*/__init__.py")}
    assert packages - {"cli"} <= MAY_IMPORT.keys()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    package = package_of(path)
    if package == "cli":
        return
    allowed = MAY_IMPORT[package] | {package} if package else {"cli"}
    wrong = {name for name in imported(path) if ours(name) not in {None, *allowed}}
    assert not wrong, f"{package or 'probe'} may import {sorted(allowed)} only"


@pytest.mark.parametrize("package", PURE)
def test_pure_packages_know_no_socket_no_event_loop_and_no_clock(package: str) -> None:
    for path in sorted((ROOT / "probe" / package).rglob("*.py")):
        wrong = {name for name in imported(path) if name.split(".")[0] in IMPURE_MODULES}
        calls = {
            node.func.attr
            for node in ast.walk(ast.parse(path.read_bytes()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
        }
        assert not wrong | calls, path.relative_to(ROOT)


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [path for path in SOURCES if path.stem in EMPTY_NAMES or path.parent.name in EMPTY_NAMES]


def test_nothing_else_lies_at_the_top() -> None:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: what is ours cannot be told from what was built here")
    seen = {line.partition("/")[0] for line in listed.stdout.splitlines()}
    assert {name for name in seen if not name.startswith(".")} <= TOP_LEVEL
