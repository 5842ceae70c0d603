"""What must hold before a lab may run: the machine can build it, and no packet can leave it."""

import json
import os
import platform
import shutil
import subprocess
from typing import Any

from probe.lab.model import LabError

_TOOLS = {"ip": "iproute2", "iptables-restore": "iptables", "ip6tables-restore": "iptables"}  # Debian's packages


def check_machine() -> None:
    """Raises LabError where this machine cannot build a lab."""
    if platform.system() != "Linux":
        raise LabError("the lab needs Linux: it is made of network namespaces")
    if os.geteuid() != 0:
        raise LabError("the lab needs root to make network namespaces: run it with sudo, or use `probe simulate`")
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            raise LabError(f"the lab needs `{tool}`, which is missing: apt-get install {package}")


def check_sealed(cables: dict[str, set[str]], world: str) -> None:
    """`cables` lists the interfaces that each namespace is meant to have; any other that is up may lead out, and so
    does a default route of the world, which is where all routes end. Raises LabError."""
    for namespace, expected in cables.items():
        for link in _show(namespace, "link", "show", "up"):
            if link["ifname"] not in {"lo", *expected}:
                raise LabError(
                    f"a packet could leave the lab: namespace {namespace} has the interface {link['ifname']}"
                )
    for family in ("-4", "-6"):
        if _show(world, family, "route", "show", "default"):
            raise LabError(f"a packet could leave the lab: namespace {world} has a default route")


def _show(namespace: str, *arguments: str) -> list[dict[str, Any]]:
    command = ["ip", "-n", namespace, "-json", *arguments]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [shown for shown in json.loads(output or "[]") if shown]  # it prints an empty object for what it leaves out
