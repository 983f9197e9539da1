"""Named documents as rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from adapters.sqlite.database import Database
from canalis.contract.errors import Conflict
from canalis.contract.ports import Document, Stored


class SqliteDocuments:
    """Keeps everything that has a kind and a name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, kind: str, name: str) -> Stored | None:
        """The document, or None."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT body, etag FROM documents WHERE kind = ? AND name = ?", (kind, name)
            ).fetchone()
        return Stored(name, json.loads(row[0]), str(row[1])) if row else None

    def put(self, kind: str, name: str, body: Document, etag: str | None = None, if_absent: bool = False) -> Stored:
        """Write it whole. Raises Conflict as the port says."""
        with self._database.write() as connection:
            row = connection.execute("SELECT etag FROM documents WHERE kind = ? AND name = ?", (kind, name)).fetchone()
            found = str(row[0]) if row else None
            if (if_absent and found is not None) or (etag is not None and etag != found):
                raise Conflict(f"{kind} '{name}' was written by somebody else", kind=kind, name=name)
            following = int(row[0]) + 1 if row else 1
            connection.execute(
                "INSERT OR REPLACE INTO documents (kind, name, etag, body) VALUES (?, ?, ?, ?)",
                (kind, name, following, json.dumps(body)),
            )
        return Stored(name, body, str(following))

    def get_all(self, kind: str, names: Collection[str]) -> dict[str, Document]:
        """The bodies of those that are there, by name."""
        found = {}
        with self._database.read() as connection:
            for name in names:
                row = connection.execute(
                    "SELECT body FROM documents WHERE kind = ? AND name = ?", (kind, name)
                ).fetchone()
                if row:
                    found[name] = json.loads(row[0])
        return found

    def put_all(self, kind: str, bodies: Mapping[str, Document]) -> None:
        """Write all of them, in one transaction."""
        with self._database.write() as connection:
            connection.executemany(
                "INSERT INTO documents (kind, name, etag, body) VALUES (?, ?, 1, ?)"
                " ON CONFLICT (kind, name) DO UPDATE SET etag = etag + 1, body = excluded.body",
                [(kind, name, json.dumps(body)) for name, body in bodies.items()],
            )

    def list(self, kind: str, prefix: str = "") -> list[Stored]:
        """All documents of a kind whose names begin so, by name."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT name, body, etag FROM documents WHERE kind = ? AND substr(name, 1, ?) = ? ORDER BY name",
                (kind, len(prefix), prefix),
            ).fetchall()
        return [Stored(name, json.loads(body), str(etag)) for name, body, etag in rows]

    def delete(self, kind: str, name: str) -> bool:
        """Whether there was one to delete."""
        with self._database.write() as connection:
            return connection.execute("DELETE FROM documents WHERE kind = ? AND name = ?", (kind, name)).rowcount > 0
