"""The newest expectations, signed with the online key and put where ingest hands them out."""

import datetime as dt
import sqlite3

import msgspec
import zstandard

from probe.catalogue.signatures import Keypair, sign
from probe.collector.analyse.event_time import moment
from probe.collector.documents import Documents
from probe.wire.signed import ExpectationsDocument

HOLDS = dt.timedelta(days=30)  # a download older than that is refused; probes distrust it long before


class Publisher:
    def __init__(self, documents: Documents, key: Keypair) -> None:
        self._documents, self._key = documents, key
        current = documents.current("expectations")
        self._version = current.version if current else None

    def publish(self, views: sqlite3.Connection) -> bool:
        """Whether there was a newer version than the one that is handed out."""
        sql = "SELECT version FROM expectations ORDER BY id DESC LIMIT 1"
        row = views.execute(sql).fetchone()
        if row is None or row[0] == self._version:
            return False
        document = _document(views)
        signed = sign(msgspec.json.encode(document), self._key)
        self._documents.publish("expectations", signed, document.version, document.expires_at)
        self._version = document.version
        return True


def _document(views: sqlite3.Connection) -> ExpectationsDocument:
    sql = "SELECT made_at, version, document FROM expectations ORDER BY id DESC LIMIT 1"
    made_at, version, raw = views.execute(sql).fetchone()
    made = moment(made_at)
    text = zstandard.decompress(raw).decode()
    return ExpectationsDocument(version=version, made_at=made, expires_at=made + HOLDS, expectations=text)
