"""The entry point of the command `probe`, and its exit status."""

import os
import sys

from probe.cli.commands import overview

INTERRUPTED = 130  # as a shell reports SIGINT
PIPE_CLOSED = 141  # as a shell reports SIGPIPE


def main() -> None:
    """0 done, 1 failed, 2 wrong usage or configuration, 3 done and something is blocked."""
    arguments = sys.argv[1:]
    if arguments == ["--help"]:
        sys.exit(_flushed(0, overview()))
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """The exit status of one command line."""
    import click  # noqa: PLC0415 - see `commands`

    from probe.cli.group import cli  # noqa: PLC0415

    try:
        with cli.make_context("probe", arguments) as context:
            cli.invoke(context)
    except click.exceptions.Exit as done:
        return _flushed(done.exit_code)
    except click.ClickException as fault:
        fault.show()
        return fault.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _interrupted()
    except BrokenPipeError:
        return _pipe_closed()
    except BaseExceptionGroup as group:
        if group.split(KeyboardInterrupt)[0] is not None:
            return _interrupted()
        if group.split(BrokenPipeError)[1] is None:
            return _pipe_closed()
        raise
    return _flushed(0)


def _interrupted() -> int:
    sys.stderr.write("\n")
    return INTERRUPTED


def _flushed(status: int, text: str = "") -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        return _pipe_closed()
    return status


def _pipe_closed() -> int:
    """Nobody reads on: what is still buffered goes nowhere, so that the interpreter does not stumble over it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE_CLOSED
