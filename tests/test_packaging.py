"""What is installed is complete, and what it needs is declared with a reason."""

import ast
import os
import re
import stat
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text("utf-8")
PROJECT = tomllib.loads(PYPROJECT)["project"]

# What a declared package brings, by the name under which it is imported.
BRINGS = {
    "httpx": {"httpx", "httpcore", "h11", "h2", "idna"},
    "dnspython": {"dns"},
    "prometheus-client": {"prometheus_client"},
    "ruamel.yaml": {"ruamel"},
    "pillow": {"PIL"},
    "nats-py": {"nats"},
    "pyopenssl": {"OpenSSL"},
    "trio-asyncio": {"trio_asyncio"},
    "mmdb-writer": {"mmdb_writer", "netaddr"},
}


def requirements(extra: str | None = None) -> list[str]:
    found: list[str] = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    return [Requirement(line).name for line in found]


def test_every_dependency_has_its_reason_beside_it() -> None:
    tables = re.findall(r"^[a-z]+ = \[\n(.*?)^\]", PYPROJECT.split("[project.scripts]")[0], re.MULTILINE | re.DOTALL)
    lines = [line for table in tables for line in table.splitlines() if "censorship-probe[" not in line]
    assert len(lines) > 20
    assert [line for line in lines if not re.search(r'",\s+# \w', line)] == []


def test_all_holds_every_extra_but_test() -> None:
    (everything,) = PROJECT["optional-dependencies"]["all"]
    assert Requirement(everything).extras == set(PROJECT["optional-dependencies"]) - {"all", "test"}


def test_what_is_imported_is_declared() -> None:
    declared = {name for extra in (None, *PROJECT["optional-dependencies"]) for name in requirements(extra)}
    brought = {module for name in declared for module in BRINGS.get(name, {name})}
    imported = {
        name.split(".")[0]
        for path in (ROOT / "probe").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert imported - brought - set(sys.stdlib_module_names) - {"probe"} == set()


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree and unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True, env=environment)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_wheel_holds_catalogue_licence_and_command(unpacked: Path) -> None:
    shipped = unpacked / "probe" / "shipped" / "catalogue"
    names = {
        path.relative_to(ROOT / "configs" / "catalogue") for path in (ROOT / "configs" / "catalogue").rglob("*.yaml")
    }
    assert {path.relative_to(shipped) for path in shipped.rglob("*.yaml")} == names != set()
    (metadata,) = unpacked.glob("*.dist-info")
    assert (metadata / "licenses" / "LICENSE").is_file()
    assert "probe = probe.cli.main:main" in (metadata / "entry_points.txt").read_text()
    assert not (unpacked / "tests").exists()


def test_the_wheel_runs_without_the_tree(unpacked: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "probe", "catalogue", "check"]
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert str(unpacked) in result.stdout


@pytest.mark.parametrize("script", ["tests/run", ".ci/run"])
def test_scripts_can_be_run_and_parse(script: str) -> None:
    assert (ROOT / script).stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", str(ROOT / script)], check=True)


def test_continuous_integration_runs_what_everybody_runs() -> None:
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) == 1
    assert "tests/run" in lines[0]


def test_the_image_runs_without_root_and_tells_its_health() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    last_stage = dockerfile.rpartition("\nFROM ")[2]
    assert re.search(r"^USER \d+$", last_stage, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", last_stage, re.MULTILINE)
    assert dockerfile.count("\nFROM ") == 2
