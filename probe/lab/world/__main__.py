"""`python -m probe.lab.world SPEC`: serves until standard input closes. Says `ready` once everything listens."""

import sys

import trio

from probe.lab.world.serve import read_spec, serve

if __name__ == "__main__":
    trio.run(serve, read_spec(sys.argv[1]))
