"""Databases as datastores: which of them there are, and the URLs at which SQLAlchemy finds them.

Source   reference section 3
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from canalis.datastore_kinds import AbstractDatastore, said, secret
from canalis.exceptions import UserErrorException

_WHOLE_HOST = re.compile(r"localhost|.*[.:].*")  # v1 said the first part of it alone


class DatabaseDatastore(AbstractDatastore):
    """A datastore that has rows and no files. Whoever reads them connects, with the credentials of the vault."""

    def _url(self) -> str:
        """Where SQLAlchemy finds it, its password included. Raises UserErrorException."""
        raise NotImplementedError

    def _options(self) -> dict[str, Any]:
        """What its driver is given beside the URL."""
        return {}

    def _at(self, driver: str, user: str, password: str | None, port: int, usual_endpoint: str, query: str = "") -> str:
        server, endpoint = str(self._document["server_name"]), self._document.get("endpoint") or usual_endpoint
        host = server if _WHOLE_HOST.fullmatch(server) else f"{server}.{endpoint}"
        port = self._document.get("port_number") or port
        opened = f"{quote(user, safe='')}:{quote(password or '', safe='')}"
        return f"{driver}://{opened}@{host}:{port}/{quote(str(self._document['database_name']), safe='')}{query}"


class AzureSqlDatabaseDatastore(DatabaseDatastore):
    """A database of Azure SQL. In a local workspace one without credentials is a file of SQLite in its folder."""

    server_name = said("server_name")
    database_name = said("database_name")
    tenant_id = said("tenant_id")
    client_id = said("client_id")
    client_secret = secret("client_secret")
    username = said("username")
    password = secret("password")

    def _url(self) -> str:
        """That of pyodbc, with Microsoft's driver; of SQLite for what stands for it."""
        found, driver = self._credentials(), "?driver=ODBC+Driver+18+for+SQL+Server"
        if "client_secret" in found:
            driver += "&Authentication=ActiveDirectoryServicePrincipal"
            user, password = str(self.client_id), found["client_secret"]
        elif "password" in found:
            user, password = str(self.username), found["password"]
        else:
            return self._here()
        return self._at("mssql+pyodbc", user, password, 1433, "database.windows.net", driver)

    def _here(self) -> str:
        root = self.workspace._root
        if root is None:
            raise UserErrorException(
                f"Datastore '{self.name}' has no credentials: register it with a username and password, or with a "
                "client_id and client_secret, and overwrite=True"
            )
        file = root / "datastores" / self.name / f"{self.database_name}.db"
        if not file.is_file():
            raise UserErrorException(
                f"Datastore '{self.name}' has no credentials, so that a file of SQLite stands for it, which is not "
                f"there: make {file}, or register the datastore with credentials"
            )
        return f"sqlite:///{file}"


class ServerDatastore(DatabaseDatastore):
    """A database of a server that a user with a password opens."""

    server_name = said("server_name")
    database_name = said("database_name")
    user_id = said("user_id")
    user_password = secret("user_password")
    port_number = said("port_number")

    @property
    def _must_be_encrypted(self) -> bool:
        return bool(self._document.get("enforce_ssl", True))


class AzurePostgreSqlDatastore(ServerDatastore):
    """A database of PostgreSQL."""

    def _url(self) -> str:
        """That of psycopg."""
        endpoint, query = (
            "postgres.database.azure.com",
            f"?sslmode={'require' if self._must_be_encrypted else 'prefer'}",
        )
        return self._at("postgresql+psycopg", str(self.user_id), self.user_password, 5432, endpoint, query)


class AzureMySqlDatastore(ServerDatastore):
    """A database of MySQL."""

    def _url(self) -> str:
        """That of PyMySQL."""
        return self._at("mysql+pymysql", str(self.user_id), self.user_password, 3306, "mysql.database.azure.com")

    def _options(self) -> dict[str, Any]:
        """A connection that others cannot read, to the server that it says it is."""
        return {"ssl_verify_cert": True, "ssl_verify_identity": True} if self._must_be_encrypted else {}


class SqlDatastore(DatabaseDatastore):
    """Any database that SQLAlchemy has a URL for, which v1 never had."""

    url = said("url")

    def _url(self) -> str:
        """The one that it was registered with, and its password."""
        password, (scheme, _, rest) = self._credentials().get("password"), str(self.url).partition("://")
        if password is None:
            return str(self.url)
        user, at, host = rest.rpartition("@")
        return f"{scheme}://{user}:{quote(password, safe='')}{at or '@'}{host}"
