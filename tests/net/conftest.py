from pathlib import Path

import pytest
import trustme

from probe.net.chain import Roots
from probe.net.trace import Trace


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("site.example", "127.0.0.1", key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="session")
def roots(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Roots:
    path: Path = tmp_path_factory.mktemp("roots") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return Roots.load(path)


@pytest.fixture
async def trace() -> Trace:
    return Trace()
