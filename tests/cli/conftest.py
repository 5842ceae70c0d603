from collections.abc import Iterator

import pytest

from probe.catalogue.loader import default_catalogue_path, load_catalogue
from probe.lab.internet import internet
from probe.lab.lab import Lab
from probe.lab.model import LabError
from probe.lab.sealed import check_machine

from .world import CENSOR, PLATFORM, SITES


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    try:
        check_machine()
    except LabError as error:
        pytest.skip(str(error))
    catalogue = load_catalogue(default_catalogue_path())
    with Lab(internet(catalogue, SITES, platforms=()), CENSOR) as lab:
        (lab.folder / "shop.yaml").write_text(PLATFORM)
        yield lab
