import subprocess
import sys

import pytest

MEASURE = """
import datetime as dt
from probe.net import dns, doh, http, tcp, tls
from probe.net.tls_stream import context_for
tls.Roots.load(None).failure_of([b"no certificate"], dt.datetime.now(dt.UTC))
context_for(("h2", "http/1.1"), "default"), context_for(("h2", "http/1.1"), "small")
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_all_steps_with_their_roots_leave_room_in_80_mib_for_the_rest_of_a_probe() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, check=True, text=True)
    assert int(done.stdout) / 1024 < 58
