"""What a collector must have before a probe of the same machine can report to it, without invitation or connection: the
keys, the signed catalogue, and an account."""

import datetime as dt
from contextlib import closing
from pathlib import Path

from probe.agent.credentials import Credentials, load_credentials, save_credentials
from probe.agent.durable import StateError
from probe.catalogue.bundle import packed
from probe.catalogue.loader import default_catalogue_path
from probe.catalogue.signatures import key_name, public_key
from probe.collector.accounts import Accounts
from probe.collector.config import CollectorConfig
from probe.collector.documents import Documents
from probe.collector.keys import DOCUMENTS_HOLD, found, invitation_key, keyring
from probe.wire.reports import Role


def published(config: CollectorConfig, key: Path, now: dt.datetime) -> bool:
    """Makes the keys that are missing, and signs the catalogue where it is another than was published, or half of its
    time is over. Whether the catalogue key is new. Raises CatalogueError, DocumentsFault."""
    is_new = not key.exists()
    if is_new or not config.online_key_file.exists() or not _is_current(config, now):
        found(config, key, now)
    return is_new


def _is_current(config: CollectorConfig, now: dt.datetime) -> bool:
    with closing(Documents.open(config.documents_file)) as documents:
        keys, catalogue = documents.current("keys"), documents.current("catalogue")
    if keys is None or catalogue is None or min(keys.expires_at, catalogue.expires_at) - now < DOCUMENTS_HOLD / 2:
        return False
    bundle = packed(config.catalogue or default_catalogue_path(), now, now + DOCUMENTS_HOLD)
    return bundle.version == catalogue.version


def enrolled(config: CollectorConfig, state: Path, role: Role, steward: str, now: dt.datetime) -> bool:
    """Leaves credentials in the probe's state folder that this collector takes. Whether they are new: what is there is
    kept while it holds. Raises CatalogueError, AccountsFault, DocumentsFault, StateError."""
    kept = _kept(state)
    with closing(Accounts.open(config.accounts_file)) as accounts:
        account = accounts.authenticated(kept.token) if kept is not None else None
        known = kept is not None and account is not None and account.role == role
        token = kept.token if known and kept is not None else accounts.create(role, steward, now)[1]
    wanted = Credentials(
        token=token,
        role=role,
        collector=config.name,
        collectors=(config.url,),
        catalogue_keys=(_catalogue_key(config),),
    )
    if wanted != kept:
        save_credentials(state, wanted)
    return not known


def _kept(state: Path) -> Credentials | None:
    try:
        return load_credentials(state)
    except StateError:
        return None  # broken: made anew


def _catalogue_key(config: CollectorConfig) -> str:
    with closing(Documents.open(config.documents_file)) as documents:
        name, publics = invitation_key(documents), keyring(documents).catalogue
    return next((text for text in publics if key_name(public_key(text)) == name), publics[0])
