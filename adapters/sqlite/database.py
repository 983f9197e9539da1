"""One SQLite file in write-ahead mode: as many connections as there are readers at once, one writer at a time."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from canalis.contract.errors import CanalisError, StoreFull, StoreUnavailable, of_system

SCHEMA_VERSION = 4
_PROBE_BYTES = 2**16
_READERS_KEPT = 4  # open files while nobody reads

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    run_id       TEXT PRIMARY KEY,
    version      INTEGER NOT NULL,
    status       TEXT NOT NULL,
    is_open      INTEGER NOT NULL,
    state        BLOB NOT NULL,
    request      TEXT NOT NULL,
    experiment   TEXT NOT NULL,
    parent       TEXT,
    submitted_at REAL NOT NULL,
    updated_at   REAL NOT NULL,
    ended_at     REAL,
    stopping_since REAL,
    attention    TEXT NOT NULL DEFAULT '',
    pipeline     TEXT,
    schedule     TEXT,
    hidden_at    REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS runs_by_time ON runs (submitted_at DESC);
CREATE INDEX IF NOT EXISTS runs_by_experiment ON runs (experiment, submitted_at DESC);
CREATE INDEX IF NOT EXISTS runs_by_parent ON runs (parent) WHERE parent IS NOT NULL;
CREATE INDEX IF NOT EXISTS runs_open ON runs (run_id) WHERE is_open;
CREATE INDEX IF NOT EXISTS runs_by_pipeline ON runs (pipeline, submitted_at DESC) WHERE pipeline IS NOT NULL;
CREATE INDEX IF NOT EXISTS runs_by_schedule ON runs (schedule, submitted_at DESC) WHERE schedule IS NOT NULL;
CREATE INDEX IF NOT EXISTS runs_hidden ON runs (hidden_at) WHERE hidden_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS forgotten_runs (run_id TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS attempts (
    run_id      TEXT NOT NULL,
    node        TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    owner       TEXT NOT NULL,
    fence       INTEGER NOT NULL,
    lease_until REAL NOT NULL,
    ended       INTEGER NOT NULL,
    facts       TEXT NOT NULL,
    PRIMARY KEY (run_id, node, attempt)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    etag INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS messages (
    seq        INTEGER PRIMARY KEY,
    queue      TEXT NOT NULL,
    visible_at REAL NOT NULL,
    failures   INTEGER NOT NULL DEFAULT 0,
    reason     TEXT,
    body       BLOB NOT NULL
);
"""

# What makes a file of that format into one of the next.
_UPGRADES = {
    1: """
ALTER TABLE runs ADD COLUMN stopping_since REAL;
ALTER TABLE runs ADD COLUMN attention TEXT NOT NULL DEFAULT '';
""",
    2: """
ALTER TABLE runs ADD COLUMN pipeline TEXT;
ALTER TABLE runs ADD COLUMN schedule TEXT;
CREATE INDEX runs_by_pipeline ON runs (pipeline, submitted_at DESC) WHERE pipeline IS NOT NULL;
CREATE INDEX runs_by_schedule ON runs (schedule, submitted_at DESC) WHERE schedule IS NOT NULL;
""",
    3: """
ALTER TABLE runs ADD COLUMN hidden_at REAL;
CREATE INDEX runs_hidden ON runs (hidden_at) WHERE hidden_at IS NOT NULL;
CREATE TABLE forgotten_runs (run_id TEXT PRIMARY KEY) WITHOUT ROWID;
""",
}


class Database:
    """The file, opened. Safe to use from many threads of one process.

    trouble   why nothing could be written the last time, in words; "" when it could

    Raises StoreUnavailable when the file cannot be opened or was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble = ""
        # Not one for each thread: a thread for each step would be two open files for each step.
        self._readers = deque[sqlite3.Connection]()
        # SQLite's own busy handler sleeps; a lock of ours hands over at once.
        self._one_writer = threading.Lock()
        self._is_durable: bool | None = None  # what the writer is set to
        with _plain_errors(path):
            connection = self._writer = self._open()
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found > SCHEMA_VERSION:
                raise StoreUnavailable(
                    f"{path} was written by a newer Canalis (format {found}, this one knows {SCHEMA_VERSION})"
                )
            connection.execute("PRAGMA journal_mode = WAL")
            steps = [_UPGRADES[format] for format in range(found, SCHEMA_VERSION)] if found else [_SCHEMA]
            if found != SCHEMA_VERSION:
                # One transaction: a file is of the old format or of the new one.
                script = f"BEGIN IMMEDIATE; {' '.join(steps)} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                connection.executescript(script)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for single reading statements."""
        with _plain_errors(self.path):
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._open()
            try:
                yield connection
            finally:
                self._readers.append(connection)
                while len(self._readers) > _READERS_KEPT:
                    with suppress(IndexError):
                        self._readers.popleft().close()

    @contextmanager
    def write(self, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction: committed at the end of the block, undone when it raises.

        durable   whether it must outlive a power cut, which costs a sync of the disk. What is not durable
                  still outlives a kill of the process, and is synced with the next durable one.
        """
        try:
            with _plain_errors(self.path), self._one_writer:
                connection = self._writer
                if self._is_durable is not durable:
                    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                    self._is_durable = durable
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    connection.execute("ROLLBACK") if connection.in_transaction else None
                    raise
        except (StoreFull, StoreUnavailable) as error:
            self.trouble = error.message
            raise
        self.trouble = ""

    def look_again(self) -> None:
        """Find out whether what could not be written can be by now: nobody else may write for long."""
        if self.trouble:
            with suppress(StoreFull, StoreUnavailable), self.write(durable=False) as connection:
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        """Close every connection. Only when no other thread uses the database any more."""
        self._writer.close()
        while self._readers:
            self._readers.pop().close()

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=30.0)


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """SQLite's reasons in the operator's words."""
    try:
        yield
    except CanalisError:
        raise
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL or _is_full(path, error):
            raise StoreFull(f"No room is left for {path}: free some disk space; nothing was lost") from error
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
            raise StoreUnavailable(f"{path} cannot be written ({error}): check the folder's rights and disk") from error
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreUnavailable(f"{path} is held by another program ({error}): try again when it is done") from error
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StoreUnavailable(f"{path} is damaged or no database of ours ({error})") from error
        raise


def _is_full(path: Path, error: sqlite3.DatabaseError) -> bool:
    """Whether it is room that is missing: SQLite tells a quota that is used up as it tells any fault of a disk."""
    if error.sqlite_errorcode != sqlite3.SQLITE_IOERR_WRITE:
        return False
    try:
        with tempfile.TemporaryFile(dir=path.parent, buffering=0) as probe:
            beside = path.with_name(f"{path.name}-wal")
            os.pwrite(probe.fileno(), bytes(_PROBE_BYTES), max(path.stat().st_size, beside.stat().st_size))
    except OSError as reason:
        return isinstance(of_system(reason, path), StoreFull)
    return False
