"""Runs, documents and the bus in one SQLite file, for a service that is one process."""

from adapters.sqlite.bus import SqliteBus, Taken, dead
from adapters.sqlite.database import Database
from adapters.sqlite.documents import SqliteDocuments
from adapters.sqlite.runs import SqliteRuns

__all__ = ["Database", "SqliteBus", "SqliteDocuments", "SqliteRuns", "Taken", "dead"]
