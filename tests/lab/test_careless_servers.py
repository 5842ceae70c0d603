"""Servers and resolvers that are careless, and pages that print who visits them, as `probe measure` meets them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.lab.internet import internet
from probe.lab.lab import Lab
from probe.lab.model import Page, Site

VISITOR, VISITOR6 = "88.255.1.10", "2a01:358:4000::10"  # as a gateway sees them
PLACE, NOTICE, CALM = "151.101.201.1", "151.101.201.2", "151.101.201.3"
NAMED = f"visitor {VISITOR} ({VISITOR6})"
TELLING = Page(
    title=f"Stopped: {NAMED}",
    body=f"<title>Stopped: {NAMED}</title><p>Your address is {VISITOR}, [{VISITOR6}]:443, ip={VISITOR}.</p>" * 3,
    headers=(("X-Client-IP", VISITOR), ("Via", f"1.1 {VISITOR6}"), ("Set-Cookie", f"ip={VISITOR}; path=/")),
)
LEADING = Page(
    status=302,
    title=f"Moved for {NAMED}",
    body=f"<title>Moved for {NAMED}</title>{VISITOR}",
    headers=(("Location", f"http://notice.example.net/why?ip={VISITOR}&six={VISITOR6}"), ("X-Real-IP", VISITOR)),
)
SITES = (
    Site(name="tells.example.net", addresses=(PLACE,), content=LEADING),
    Site(name="notice.example.net", addresses=(NOTICE,), content=TELLING, ports={80: "http"}),
    Site(name="calm.example.net", addresses=(CALM,), content=Page(title="Calm")),
)
CARELESS_FORWARDER = """\
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    query, peer = sock.recvfrom(4096)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as up:
        up.settimeout(1)
        up.sendto(query, (sys.argv[1], 53))
        reply = up.recv(4096)
    assert reply[10:12] == b"\\0\\1" and reply[-11:-8] == b"\\0\\0\\x29"
    sock.sendto(reply[:-11], peer)  # ARCOUNT stays, the OPT that it counts does not
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    catalogue = load_catalogue(default_catalogue_path())
    with Lab(internet(catalogue, SITES, platforms=())) as lab:
        yield lab


@pytest.fixture(scope="module")
def told(lab: Lab) -> str:
    """A plain page and a page over TLS, in one round, as it is printed."""
    urls = [f"{scheme}://tells.example.net/" for scheme in ("http", "https")]
    command = [sys.executable, "-m", "probe", "measure", *urls, "http://notice.example.net/"]
    done = lab.run(lab.vantage, [*command, "--format", "json", "--ca-file", str(lab.ca_file)])
    assert done.returncode == 0, done.stderr
    return done.stdout


def pages(told: str) -> list[dict[str, Any]]:
    steps = [step for line in told.splitlines() for step in json.loads(line).get("steps", ())]
    return [step for step in steps if step["step"] == "http"]


def test_a_visitor_s_address_is_nowhere_in_what_is_printed(told: str) -> None:
    assert VISITOR not in told
    assert VISITOR6 not in told
    assert all(VISITOR not in str(page) for page in pages(told))


def test_what_else_the_pages_said_is_there_so_that_the_one_above_could_fail(told: str) -> None:
    titles = {page.get("title") for page in pages(told)}
    assert {"Stopped: visitor [scrubbed] ([scrubbed])", "Moved for visitor [scrubbed] ([scrubbed])"} <= titles
    assert "http://notice.example.net/why?ip=[scrubbed]&six=[scrubbed]" in {
        page.get("location") for page in pages(told)
    }
    assert PLACE in told
    assert NOTICE in told


@pytest.fixture
def careless(lab: Lab) -> Iterator[None]:
    inside = ["ip", "netns", "exec", lab.vantage, sys.executable, "-c", CARELESS_FORWARDER]
    inside.append(lab.network.isp.resolver)
    with subprocess.Popen(inside, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.kill()


@pytest.mark.usefixtures("careless")
def test_a_careless_resolver_s_answers_are_a_user_s_answers(lab: Lab) -> None:
    (line, *_) = lab.measure(["https://calm.example.net/", "--resolver", "127.0.0.1"])
    asked = [step for step in line["steps"] if step["step"] == "dns" and step["resolver"] == "127.0.0.1"]
    answered = [step for step in asked if step["qtype"] == "A" and step["name"] == "calm.example.net"]
    assert [step.get("answers") for step in answered] == [[CALM]]
    assert all(reply.get("malformed") for step in answered for reply in step["replies"])
    assert line["outcome"] == "ok", line["evidence"]
