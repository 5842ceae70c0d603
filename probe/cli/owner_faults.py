"""What can go wrong between a probe and its owner, as one line and an exit status."""

# ruff: noqa: PLC0415 (imports inside functions keep `--help` fast)

from collections.abc import Iterator
from contextlib import contextmanager

from probe.cli.faults import Failed, Fault, plain_faults


@contextmanager
def owner_faults() -> Iterator[None]:
    """Configuration, consent and invitation are wrong usage; a collector that is away is a failure."""
    from probe.agent.client_faults import CollectorFault, UnusableSetting
    from probe.agent.config import ConfigError
    from probe.agent.consent import ConsentError
    from probe.agent.durable import StateError
    from probe.agent.invitation import InvitationError
    from probe.agent.service import ServiceError

    try:
        with plain_faults():
            yield
    except (ConfigError, ConsentError, StateError, InvitationError, UnusableSetting) as error:
        raise Fault(str(error)) from error
    except (CollectorFault, ServiceError) as error:
        raise Failed(str(error)) from error
