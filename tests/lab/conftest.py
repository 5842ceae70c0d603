import pytest

from probe.lab.model import LabError
from probe.lab.sealed import check_machine


@pytest.fixture(autouse=True, scope="session")
def machine_for_labs() -> None:
    try:
        check_machine()
    except LabError as error:
        pytest.skip(str(error))
