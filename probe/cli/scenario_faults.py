"""What can be wrong with a scenario or with the machine that plays it, in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from probe.cli.faults import Failed, Fault
from probe.lab.model import LabError
from probe.lab.scenario.model import ScenarioError


@contextmanager
def scenario_faults() -> Iterator[None]:
    try:
        yield
    except ScenarioError as error:
        raise Fault(str(error)) from error
    except LabError as error:
        raise Failed(str(error)) from error
    except BrokenPipeError:  # nobody reads on: that is no fault
        raise
    except OSError as error:
        raise Failed(f"{error.filename or 'the machine'}: {error.strerror or error}") from error
