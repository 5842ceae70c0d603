"""How much memory a process had at most."""

from pathlib import Path

_KIB_A_MIB = 1024.0


def peak(pid: int) -> float:
    """MiB since it was executed; 0 once it is gone. The kernel's `ru_maxrss` will not do: it counts what the process
    that started it had."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    found = next((line for line in lines if line.startswith("VmHWM:")), "VmHWM: 0")
    return int(found.split()[1]) / _KIB_A_MIB
