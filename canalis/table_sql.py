"""Rows that a database answers a query with. Only where they are asked for is this loaded, and SQLAlchemy with it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from canalis.contract.masking import Mask
from canalis.contract.tables import Sql, Table, Take
from canalis.exceptions import DatasetExecutionError, UserErrorException
from canalis.table_reading import finished
from canalis.table_rows import rows_in

_AS_THEY_ARE = (type(None), bool, int, float, str, bytes, date, time, timedelta)  # a datetime is a date
_DRIVERS = {"pyodbc": "pyodbc", "psycopg": "psycopg[binary]", "pymysql": "PyMySQL"}


def rows_asked_for(table: Table, store: Any, strict: bool) -> Any:
    """The rows of a query as one Arrow table, and what becomes of them.

    store    the datastore of the database
    Raises   DatasetExecutionError for what the database refuses, or does not answer in time; UserErrorException for a
             datastore that is none, and for packages that are missing
    """
    assert isinstance(table.read, Sql), table.read
    url = getattr(store, "_url", None)
    if url is None:
        raise UserErrorException(
            f"Datastore '{store.name}' is of type {store.datastore_type}, and has no rows to ask for: use one of "
            "Datastore.register_azure_sql_database, register_azure_postgre_sql, register_azure_my_sql, register_sql"
        )
    # Who wants the first rows shall not wait for the rest.
    first = table.operations[0].rows if table.operations and isinstance(table.operations[0], Take) else None
    found = _asked(store, url(), table.read, first)
    return rows_in(table, iter([finished(found, store.name, table, strict)]))


def _asked(store: Any, url: str, read: Sql, first: int | None) -> Any:
    try:
        import sqlalchemy
        from sqlalchemy.pool import NullPool
    except ImportError:
        raise UserErrorException(
            "Asking a database needs SQLAlchemy, which is not in this interpreter's packages: "
            "pip install 'canalis[sql]'",
            code="package_missing",
        ) from None
    try:
        engine = sqlalchemy.create_engine(url, poolclass=NullPool, connect_args=store._options())
    except ImportError as error:
        missing = str(error.name or "")
        raise UserErrorException(
            f"Datastore '{store.name}' is asked by {missing}, which is not in this interpreter's packages: "
            f"pip install '{_DRIVERS.get(missing.lower(), missing)}'",
            code="package_missing",
        ) from None
    except sqlalchemy.exc.ArgumentError:
        raise UserErrorException(f"The URL of datastore '{store.name}' is none that SQLAlchemy has") from None
    told = ""
    with _in_time(read.timeout_s) as timer:
        try:
            with engine.connect() as connection:
                timer.watches(connection.connection.dbapi_connection)
                # As it was written: what looks like a parameter of SQLAlchemy's is the database's own.
                result = connection.exec_driver_sql(read.query)
                if not result.returns_rows:
                    raise DatasetExecutionError(
                        f"The query of datastore '{store.name}' has no rows: {_short(read.query)}"
                    )
                rows = result.fetchall() if first is None else result.fetchmany(max(first, 1))
                return _table(list(result.keys()), rows)
        except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
            told = _reason(error, url)
    if timer.is_over:
        raise DatasetExecutionError(
            f"Datastore '{store.name}' did not answer within {read.timeout_s} s: pass a longer query_timeout=, or ask "
            f"for less. The query: {_short(read.query)}"
        )
    raise DatasetExecutionError(f"Datastore '{store.name}' cannot be asked: {told}. The query: {_short(read.query)}")


class _Timer:
    """Stops what a database does for us when it takes too long."""

    def __init__(self) -> None:
        self.is_over = False
        self._connection: Any = None

    def watches(self, connection: Any) -> None:
        """From now on it is this connection that is stopped."""
        self._connection = connection

    def stop(self) -> None:
        """Stop it: as its driver has it, else by closing it."""
        self.is_over = True
        for how in ("interrupt", "cancel", "close"):
            if (called := getattr(self._connection, how, None)) is not None:
                with suppress(Exception):  # whoever asks finds out what has become of it
                    called()
                return


@contextmanager
def _in_time(timeout_s: float) -> Iterator[_Timer]:
    found = _Timer()
    clock = threading.Timer(timeout_s, found.stop)
    clock.daemon = True
    clock.start()
    try:
        yield found
    finally:
        clock.cancel()


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pa.table([_column([*map(_plain, values)]) for values in columns], names=list(names))


def _column(values: list[Any]) -> Any:
    try:
        return pa.array(values)
    except (pa.lib.ArrowInvalid, pa.lib.ArrowTypeError):  # a column may have several types in SQLite
        return pa.array([None if value is None else str(value) for value in values])


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return (
        value if isinstance(value, (type(None), bool, int, float, str, bytes)) or hasattr(value, "year") else str(value)
    )


def _reason(error: Exception, url: str) -> str:
    """The driver's own reason, without the password."""
    from sqlalchemy.engine import make_url

    reason = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
    password = str(make_url(url).password or "")
    return Mask([password, quote(password, safe="")]).hidden(reason[0][:300])


def _short(query: str) -> str:
    text = " ".join(query.split())
    return text if len(text) <= 200 else f"{text[:200]}..."
