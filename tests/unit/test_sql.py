"""Rows of databases: real ones of SQLite, and the URLs at which the others are found."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace
from typing import Any

import pytest

from canalis.contract.tables import Table
from canalis.data import DataPath
from canalis.dataset import Dataset, DataType
from canalis.datastore_known import of_document
from canalis.exceptions import DatasetExecutionError, DatasetValidationError, UserErrorException

ENDLESS = "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n"
SERVER = {"server_name": "srv", "database_name": "sales db"}


def store_of(root: Any, kind: str, said: dict[str, Any], **secrets: str) -> Any:
    """A datastore in a workspace that has no service, but its vault."""
    client = SimpleNamespace(get=lambda path: secrets)
    document = {"name": "db", "type": kind, "place": "database", "credentials": sorted(secrets), **said}
    return of_document(SimpleNamespace(_root=root, _client=client), document)


@pytest.fixture
def sales(tmp_path):
    with sqlite3.connect(tmp_path / "sales.db") as database:
        database.execute("create table sales (day text, town text, sum numeric, note)")
        rows = [("2026-01-01", "Bonn", 1.5, None), ("2026-01-02", "Köln: 100%", 2, "x"), ("none", "Bonn", 4, 7)]
        database.executemany("insert into sales values (?, ?, ?, ?)", rows)
    database.close()
    return store_of(tmp_path, "Sql", {"url": f"sqlite:///{tmp_path}/sales.db"})


def test_the_rows_of_a_query_are_a_dataset_like_any_other(sales):
    made = Dataset.Tabular.from_sql_query((sales, "select * from sales where town not like ':b%%' order by day"))
    frame = made.to_pandas_dataframe()
    assert frame.columns.tolist() == ["day", "town", "sum", "note"]
    assert frame["sum"].tolist() == [1.5, 2.0, 4.0] and frame["note"].tolist()[1:] == ["x", "7"]
    assert made.filter(made["town"] == "Bonn").keep_columns(["sum"]).to_pandas_dataframe()["sum"].tolist() == [1.5, 4.0]
    assert made.take(1).to_pandas_dataframe()["town"].tolist() == ["Bonn"]
    typed = Dataset.Tabular.from_sql_query(
        DataPath(sales, "select day from sales"), set_column_types={"day": DataType.to_datetime()}
    )
    assert typed.to_pandas_dataframe()["day"].isna().sum() == 1
    assert len(Dataset.Tabular.from_sql_query((sales, "select 1 as a where 0")).to_pandas_dataframe()) == 0
    assert Table.model_validate(made._table.model_dump(mode="json")) == made._table
    assert made.id != typed.id


@pytest.mark.parametrize(
    ("query", "more", "kind", "told"),
    [
        (
            "select * from none_",
            {},
            DatasetValidationError,
            "'db' cannot be asked: no such table: none_. The query: s",
        ),
        ("delete from sales", {}, DatasetValidationError, "has no rows: delete from sales"),
        (
            ENDLESS,
            {"query_timeout": 1},
            DatasetValidationError,
            "did not answer within 1 s: pass a longer query_timeout",
        ),
        (" ", {}, UserErrorException, "must be text of 1 to 50000 characters"),
        ("select 1", {"query_timeout": 0}, UserErrorException, "query_timeout=0 is none"),
        ("select 1", {"query_timeout": True}, UserErrorException, "query_timeout=True is none"),
    ],
)
def test_what_cannot_be_asked_says_why_and_what_to_do(sales, query, more, kind, told):
    with pytest.raises(kind) as error:
        Dataset.Tabular.from_sql_query((sales, query), **more)
    assert told in str(error.value)
    assert Dataset.Tabular.from_sql_query((sales, "select count(*) as n from sales")).to_pandas_dataframe()["n"][0] == 3


def test_what_is_no_database_is_told(sales, tmp_path):
    files = store_of(tmp_path, "AzureFile", {})
    unread = Dataset.Tabular.from_sql_query((files, "select 1"), validate=False)
    with pytest.raises(UserErrorException, match="'db' is of type AzureFile, and has no rows to ask for"):
        unread.to_pandas_dataframe()
    with pytest.raises(UserErrorException, match=r"takes \(datastore, 'select ...'\)"):
        Dataset.Tabular.from_sql_query("select 1")


def test_a_database_of_azures_without_credentials_is_a_file_of_sqlite_on_a_laptop(tmp_path):
    here = store_of(tmp_path, "AzureSqlDatabase", SERVER)
    with pytest.raises(
        UserErrorException, match=r"a file of SQLite stands for it, which is not there: make .*sales db.db"
    ):
        Dataset.Tabular.from_sql_query((here, "select 1 as a"))
    (tmp_path / "datastores" / "db").mkdir(parents=True)
    sqlite3.connect(tmp_path / "datastores" / "db" / "sales db.db").close()
    (tmp_path / "datastores" / "db" / "sales db.db").touch()
    assert Dataset.Tabular.from_sql_query((here, "select 1 as a")).to_pandas_dataframe()["a"].tolist() == [1]
    elsewhere = store_of(None, "AzureSqlDatabase", SERVER)
    with pytest.raises(UserErrorException, match="has no credentials: register it with a username and password"):
        elsewhere._url()


@pytest.mark.parametrize(
    ("kind", "said", "secrets", "url"),
    [
        (
            "AzureSqlDatabase", {**SERVER, "username": "ann"}, {"password": "p@ss/word"},
            "mssql+pyodbc://ann:p%40ss%2Fword@srv.database.windows.net:1433/sales%20db?driver=ODBC+Driver+18+for+SQL+Server",
        ),
        (
            "AzureSqlDatabase", {**SERVER, "client_id": "app"}, {"client_secret": "hidden"},
            "mssql+pyodbc://app:hidden@srv.database.windows.net:1433/sales%20db?driver=ODBC+Driver+18+for+SQL+Server"
            "&Authentication=ActiveDirectoryServicePrincipal",
        ),
        (
            "AzurePostgreSql", {**SERVER, "user_id": "ann@srv"}, {"user_password": "hidden"},
            "postgresql+psycopg://ann%40srv:hidden@srv.postgres.database.azure.com:5432/sales%20db?sslmode=require",
        ),
        (
            "AzurePostgreSql", {**SERVER, "server_name": "localhost", "user_id": "a", "port_number": "99", "enforce_ssl": False},
            {"user_password": "hidden"}, "postgresql+psycopg://a:hidden@localhost:99/sales%20db?sslmode=prefer",
        ),
        (
            "AzureMySql", {**SERVER, "user_id": "ann"}, {"user_password": "hidden"},
            "mysql+pymysql://ann:hidden@srv.mysql.database.azure.com:3306/sales%20db",
        ),
        ("Sql", {"url": "duckdb://ann@host/x"}, {"password": "p@ss"}, "duckdb://ann:p%40ss@host/x"),
    ],
)  # fmt: skip
def test_each_database_has_its_url(kind, said, secrets, url):
    assert store_of(None, kind, said, **secrets)._url() == url


def test_a_driver_that_is_missing_is_named_and_a_password_never(monkeypatch, tmp_path):
    import sys

    from canalis import table_sql

    monkeypatch.setitem(sys.modules, "psycopg", None)
    store = store_of(None, "AzurePostgreSql", {**SERVER, "user_id": "ann"}, user_password="hidden-word")
    unread = Dataset.Tabular.from_sql_query((store, "select 1"), validate=False)
    with pytest.raises(UserErrorException, match=r"is asked by psycopg, .* pip install 'psycopg\[binary\]'") as error:
        unread.to_pandas_dataframe()
    assert error.value.code == "package_missing" and "hidden-word" not in str(error.value)
    refused = OSError("no way in for ann:hidden%2Fword@srv or hidden/word")
    assert table_sql._reason(refused, "x://ann:hidden%2Fword@srv/db") == "no way in for ann:***@srv or ***"
    with pytest.raises(DatasetExecutionError, match="cannot be asked: unable to open database file"):
        gone = store_of(tmp_path, "Sql", {"url": f"sqlite:///{tmp_path}/no/folder.db"})
        Dataset.Tabular.from_sql_query((gone, "select 1"), validate=False).to_pandas_dataframe()
