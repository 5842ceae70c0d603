"""What every release must judge right: an interference or a fault a case, and what must be said of it."""

from probe.lab.cases.benign import BENIGN
from probe.lab.cases.case import Case
from probe.lab.cases.connections import CONNECTIONS
from probe.lab.cases.names import NAMES
from probe.lab.cases.networks import NETWORKS
from probe.lab.cases.pages import PAGES
from probe.lab.cases.platforms import PLATFORMS
from probe.lab.cases.sites import SITES

CASES: dict[str, Case] = {
    case.name: case for family in (BENIGN, NAMES, CONNECTIONS, PAGES, SITES, PLATFORMS, NETWORKS) for case in family
}

__all__ = ["CASES", "Case"]
