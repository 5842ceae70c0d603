"""When the certificates of a handshake expire."""

import datetime as dt
import warnings
from collections.abc import Sequence

from cryptography import x509

from probe.wire.measurement import Measurement
from probe.wire.steps import TlsStep


def shown(tls: TlsStep, measurement: Measurement) -> tuple[bytes, ...]:
    """The chain, DER, leaf first: it is kept with the first record that has it."""
    if tls.chain_sha256 is None:
        return ()
    steps = (step for step in measurement.steps if isinstance(step, TlsStep) and step.chain)
    return next((step.chain for step in steps if step.chain_sha256 == tls.chain_sha256), ())


def earliest_expiry(chain: Sequence[bytes]) -> dt.datetime | None:
    """Of all the certificates that the server showed."""
    return min((found.not_valid_after_utc for found in _read(chain)), default=None)


def path_expiry(chain: Sequence[bytes]) -> dt.datetime | None:
    """The earliest of those that lead from the leaf upwards; what else the server showed does not count."""
    left = _read(chain)
    if not left:
        return None
    path = [left.pop(0)]
    while issuer := next((found for found in left if found.subject == path[-1].issuer), None):
        left.remove(issuer)
        path.append(issuer)
    return min(found.not_valid_after_utc for found in path)


def _read(chain: Sequence[bytes]) -> list[x509.Certificate]:
    """None of them where one cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd about a certificate is for the judge
            found = [x509.load_der_x509_certificate(der) for der in chain]
            assert all(certificate.not_valid_after_utc for certificate in found)
            return found
    except Exception:  # cryptography has many words for what cannot be read, without a common one
        return []
