"""What the collector's packages raise, as faults with an exit status."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from collections.abc import Iterator
from contextlib import contextmanager

from probe.cli.faults import Failed, Fault


@contextmanager
def collector_faults() -> Iterator[None]:
    """Wrong configuration is 2, what the machine refuses is 1; each one line."""
    try:
        import hypercorn  # noqa: F401
        import starlette  # noqa: F401
        import zstandard  # noqa: F401
    except ImportError as error:
        raise Fault(f"{error.name} is missing: pip install censorship-probe") from None
    from probe.catalogue.model import CatalogueError
    from probe.collector.accounts import AccountsFault
    from probe.collector.backup import BackupFault
    from probe.collector.config import ConfigError
    from probe.collector.documents import DocumentsFault
    from probe.collector.log import LogDamaged, LogUnavailable

    wrong, refused = (
        (ConfigError, CatalogueError),
        (AccountsFault, DocumentsFault, LogDamaged, LogUnavailable, BackupFault),
    )
    try:
        yield
    except wrong as error:
        raise Fault(str(error)) from None
    except refused as error:
        raise Failed(str(error)) from None
    except BrokenPipeError:
        raise  # nobody reads on: no fault at all
    except OSError as error:
        raise _of_machine(error) from None
    except BaseExceptionGroup as group:
        fault = _only(group)
        if isinstance(fault, wrong):
            raise Fault(str(fault)) from None
        if isinstance(fault, refused):
            raise Failed(str(fault)) from None
        if isinstance(fault, PermissionError):
            raise _of_machine(fault) from None
        raise


def _of_machine(error: OSError) -> Failed:
    what = f"{error.filename}: " if error.filename is not None else ""
    todo = ": run this as the user that the collector runs as" if isinstance(error, PermissionError) else ""
    return Failed(f"{what}{error.strerror or error}{todo}")


def _only(fault: BaseException) -> BaseException:
    """The exception in groups of one."""
    while isinstance(fault, BaseExceptionGroup) and len(fault.exceptions) == 1:
        fault = fault.exceptions[0]
    return fault
