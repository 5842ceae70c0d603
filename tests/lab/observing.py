"""How the lab's tests look at a lab from inside."""

import json
import sys
from pathlib import Path
from typing import Any

from probe.lab.lab import Lab

_OBSERVER = Path(__file__).with_name("observer.py")


def observe(lab: Lab, *arguments: str, namespace: str | None = None, timeout: float = 30) -> dict[str, Any]:
    """What one exchange showed, at the vantage point or in the namespace given."""
    done = lab.run(namespace or lab.vantage, [sys.executable, str(_OBSERVER), *arguments], timeout)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def first_records(seen: dict[str, Any]) -> list[str]:
    records: list[str] = seen["replies"][0]["records"]
    return records
