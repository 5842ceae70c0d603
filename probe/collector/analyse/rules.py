"""The catalogue that analysis judges by: the one that the collector hands to its probes."""

import msgspec

from probe.catalogue.bundle import decode_bundle, unpacked
from probe.catalogue.fingerprints import load_fingerprints
from probe.catalogue.loader import FINGERPRINTS, TABLES, default_catalogue_path, load_catalogue
from probe.catalogue.model import Tables
from probe.catalogue.signatures import SignatureFault
from probe.catalogue.tables import load_tables
from probe.collector.analyse.knowledge import Rules
from probe.collector.analyse.whereabouts import Opener
from probe.collector.config_form import CollectorConfig
from probe.collector.documents import Documents
from probe.collector.keys import NoKeys, keyring
from probe.verdict.fingerprints import Fingerprints
from probe.wire.signed import Signed


def published_rules(config: CollectorConfig, documents: Documents) -> Rules:
    """As published, else from the configured folder or the shipped one. Raises CatalogueError."""
    current = documents.current("catalogue")
    if current is not None:
        signed = msgspec.json.decode(current.body, type=Signed)
        known = unpacked(decode_bundle(signed.payload.encode()))
        return Rules(known.catalogue, Fingerprints(known.fingerprints), known.tables)
    shipped = default_catalogue_path()
    folder = config.catalogue or shipped
    own = {name: folder / name if (folder / name).exists() else shipped / name for name in (FINGERPRINTS, TABLES)}
    markers = Fingerprints(load_fingerprints(own[FINGERPRINTS]))
    return Rules(load_catalogue(folder), markers, load_tables(own[TABLES]))


def published_tables(config: CollectorConfig, documents: Documents) -> tuple[Tables, dict[str, str]]:
    """What is known of networks and countries, and the platforms' names by their ids. Raises CatalogueError."""
    rules = published_rules(config, documents)
    return rules.tables, {platform.id: platform.name for platform in rules.catalogue.platforms}


def lease_opener(documents: Documents) -> Opener:
    """Opens what any online key ever signed here. Keys are looked up again when one is not known."""

    def payload(signed: Signed) -> bytes | None:
        try:
            return keyring(documents).online_payload(signed)
        except (SignatureFault, NoKeys):
            return None

    return payload
