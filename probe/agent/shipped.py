"""Files that are shipped with the program: inside the installed package, or in a checkout's `configs/`."""

from pathlib import Path


def shipped(name: str) -> Path:
    """The file, such as `agent/probe.yaml`. Raises FileNotFoundError where the installation lacks it."""
    package = Path(__file__).resolve().parents[1]
    for path in (package / "shipped" / name, package.parent / "configs" / name):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{name} is missing from the installation: install the package again")
