"""`python -m probe.lab.censor SPEC`: works until standard input closes. Says `ready` once everything is in place."""

import sys

import trio

from probe.lab.censor.serve import read_spec, serve

if __name__ == "__main__":
    trio.run(serve, read_spec(sys.argv[1]))
