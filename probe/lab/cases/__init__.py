"""What every release must judge right: an interference or a fault a case, and what must be said of it."""

from probe.lab.cases.benign import BENIGN
from probe.lab.cases.careless import FAMILIES, RESOLVERS, SERVERS
from probe.lab.cases.case import Case
from probe.lab.cases.connections import CONNECTIONS
from probe.lab.cases.further import FURTHER
from probe.lab.cases.names import NAMES
from probe.lab.cases.networks import NETWORKS
from probe.lab.cases.pages import PAGES
from probe.lab.cases.platforms import PLATFORMS
from probe.lab.cases.sites import SITES
from probe.lab.cases.variants import VARIANTS

_ALL = (
    *(BENIGN, NAMES, CONNECTIONS, PAGES, SITES, PLATFORMS, NETWORKS),
    *(SERVERS, RESOLVERS, FAMILIES, FURTHER),
)
CASES: dict[str, Case] = {case.name: case for family in _ALL for case in family}

__all__ = ["CASES", "VARIANTS", "Case"]
