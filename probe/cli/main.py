"""The entry point of the command `probe`, and its exit status."""

import os
import sys
from contextlib import suppress

from probe.cli.commands import overview

FAILED = 1
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
    from probe.cli.group import cli  # noqa: PLC0415 - see `commands`

    try:
        with cli.make_context("probe", arguments) as context:
            cli.invoke(context)
    except BaseException as raised:
        status = _told(raised)
        if status is None:
            raise
        return status
    return _flushed(0)


def _told(raised: BaseException) -> int | None:
    """The status of what a person or the machine brought about, once it is told; None for a fault of ours."""
    import click  # noqa: PLC0415 - see `commands`

    if isinstance(raised, BaseExceptionGroup):
        return _told_of(raised)
    if isinstance(raised, click.exceptions.Exit):
        return _flushed(raised.exit_code)
    if isinstance(raised, (KeyboardInterrupt, click.Abort)):
        return _interrupted()
    if isinstance(raised, BrokenPipeError):
        return _pipe_closed()
    if isinstance(raised, click.ClickException):
        with suppress(OSError):
            raised.show()
        return _flushed(raised.exit_code, quiet=True)
    return _failed(raised) if isinstance(raised, OSError) else None


def _told_of(group: BaseExceptionGroup[BaseException]) -> int | None:
    """Of several things at once the first is told, unless one of them is a fault of ours."""
    import click  # noqa: PLC0415 - see `commands`

    if group.split(KeyboardInterrupt)[0] is not None:
        return _interrupted()
    if group.split(BrokenPipeError)[1] is None:
        return _pipe_closed()
    known, rest = group.split((click.ClickException, OSError))
    return _told(_first(known)) if known is not None and rest is None else None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _interrupted() -> int:
    sys.stderr.write("\n")
    return INTERRUPTED


def _flushed(status: int, text: str = "", *, quiet: bool = False) -> int:
    """What cannot be written is told, unless something was told already."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        return _pipe_closed()
    except OSError as error:
        if not quiet:
            return _failed(error)
        _discard()
    return status


def _failed(error: OSError) -> int:
    what = error.filename if error.filename is not None else "cannot write the output"
    with suppress(OSError):
        sys.stderr.write(f"Error: {what}: {error.strerror or error}\n")
    return _flushed(FAILED, quiet=True)


def _pipe_closed() -> int:
    _discard()
    return PIPE_CLOSED


def _discard() -> None:
    """What is still buffered goes nowhere, so that the interpreter does not stumble over it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
