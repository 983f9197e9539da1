"""New datastores: v1's register_... of Datastore.

Source   reference section 3
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from canalis.absent import V1
from canalis.answers import asked
from canalis.contract.datastores import DatastoreRegistration, check_registration
from canalis.databases import AzureMySqlDatastore, AzurePostgreSqlDatastore, AzureSqlDatabaseDatastore, SqlDatastore
from canalis.datastore_kinds import (
    AbstractDatastore,
    AzureBlobDatastore,
    AzureDataLakeDatastore,
    AzureDataLakeGen2Datastore,
    AzureFileDatastore,
    DBFSDatastore,
    FsspecDatastore,
    HDFSDatastore,
)
from canalis.datastore_known import of_document
from canalis.exceptions import UserErrorException
from canalis.within import Within

_Kind = TypeVar("_Kind", bound=AbstractDatastore)
Said = dict[str, str | None]
_FLAGS = ("overwrite", "create_if_not_exists", "skip_validation")
_SAID = ("subscription_id", "resource_group")
_NOTHING_HERE = ("blob_cache_timeout", "grant_workspace_access")  # how Azure kept and opened it


class Registering(V1):
    """Makes datastores.

    Each register_... raises UserErrorException when another one has the name, unless `overwrite`; for what is wrong
    with what is said; and for storage that does not let it in, unless `skip_validation`. Secrets go into the
    workspace's vault. On a laptop a container is reached when it has a key or a SAS token; whatever else is in Azure
    has a folder of the workspace in its place. `also` takes overwrite, skip_validation, and v1's words that are the
    same for all.
    """

    @staticmethod
    def register_azure_blob_container(
        workspace: Within,
        datastore_name: str,
        container_name: str,
        account_name: str,
        sas_token: str | None = None,
        account_key: str | None = None,
        protocol: str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        create_if_not_exists: bool = False,
        skip_validation: bool = False,
        **also: Any,
    ) -> AzureBlobDatastore:
        """A blob container. In the cloud one without a key or a SAS token is read as everybody may read it."""
        said: Said = {"container_name": container_name, "account_name": account_name}
        said |= {"protocol": protocol, "endpoint": endpoint}
        secrets = {"sas_token": sas_token, "account_key": account_key}
        also |= {"create_if_not_exists": create_if_not_exists, "skip_validation": skip_validation}
        also |= {"overwrite": overwrite}
        return _registered(AzureBlobDatastore, "AzureBlob", workspace, datastore_name, said, secrets, also)

    @staticmethod
    def register_azure_file_share(
        workspace: Within,
        datastore_name: str,
        file_share_name: str,
        account_name: str,
        sas_token: str | None = None,
        account_key: str | None = None,
        protocol: str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        create_if_not_exists: bool = False,
        skip_validation: bool = False,
        **also: Any,
    ) -> AzureFileDatastore:
        """A file share. On a laptop it is a folder; the cloud cannot reach its files."""
        said: Said = {"container_name": file_share_name, "account_name": account_name}
        said |= {"protocol": protocol, "endpoint": endpoint}
        secrets = {"sas_token": sas_token, "account_key": account_key}
        also |= {"create_if_not_exists": create_if_not_exists, "skip_validation": skip_validation}
        also |= {"overwrite": overwrite}
        return _registered(AzureFileDatastore, "AzureFile", workspace, datastore_name, said, secrets, also)

    @staticmethod
    def register_azure_data_lake(
        workspace: Within,
        datastore_name: str,
        store_name: str,
        tenant_id: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        resource_url: str | None = None,
        authority_url: str | None = None,
        **also: Any,
    ) -> AzureDataLakeDatastore:
        """A Data Lake of the first generation, which Azure ended in 2024: a folder on a laptop, and nowhere else."""
        said = {"store_name": store_name, **_principal(tenant_id, client_id, resource_url, authority_url)}
        secrets = {"client_secret": client_secret}
        return _registered(AzureDataLakeDatastore, "AzureDataLake", workspace, datastore_name, said, secrets, also)

    @staticmethod
    def register_azure_data_lake_gen2(
        workspace: Within,
        datastore_name: str,
        filesystem: str,
        account_name: str,
        tenant_id: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        resource_url: str | None = None,
        authority_url: str | None = None,
        protocol: str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        **also: Any,
    ) -> AzureDataLakeGen2Datastore:
        """A file system of Data Lake Storage: a folder on a laptop; in the cloud the service principal opens it."""
        said = {"container_name": filesystem, "account_name": account_name, "protocol": protocol, "endpoint": endpoint}
        said |= _principal(tenant_id, client_id, resource_url, authority_url)
        secrets, also = {"client_secret": client_secret}, also | {"overwrite": overwrite}
        made = AzureDataLakeGen2Datastore
        return _registered(made, "AzureDataLakeGen2", workspace, datastore_name, said, secrets, also)

    @staticmethod
    def register_dbfs(workspace: Within, datastore_name: str, **also: Any) -> DBFSDatastore:
        """The file system of Databricks: a folder on a laptop; the cloud cannot reach its files."""
        return _registered(DBFSDatastore, "DBFS", workspace, datastore_name, {}, {}, also)

    @staticmethod
    def register_hdfs(
        workspace: Within,
        datastore_name: str,
        protocol: str,
        namenode_address: str,
        hdfs_server_certificate: str | None = None,
        kerberos_realm: str | None = None,
        kerberos_kdc_address: str | None = None,
        kerberos_principal: str | None = None,
        kerberos_keytab: str | None = None,
        kerberos_password: str | None = None,
        **also: Any,
    ) -> HDFSDatastore:
        """A Hadoop file system: a folder on a laptop; the cloud cannot reach its files."""
        said = {
            "protocol": protocol,
            "namenode_address": namenode_address,
            "hdfs_server_certificate": hdfs_server_certificate,
            "kerberos_realm": kerberos_realm,
            "kerberos_kdc_address": kerberos_kdc_address,
            "kerberos_principal": kerberos_principal,
        }
        secrets = {"kerberos_keytab": kerberos_keytab, "kerberos_password": kerberos_password}
        return _registered(HDFSDatastore, "Hdfs", workspace, datastore_name, said, secrets, also)

    @staticmethod
    def register_azure_sql_database(
        workspace: Within,
        datastore_name: str,
        server_name: str,
        database_name: str,
        tenant_id: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        resource_url: str | None = None,
        authority_url: str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        username: str | None = None,
        password: str | None = None,
        **also: Any,
    ) -> AzureSqlDatabaseDatastore:
        """A database of Azure SQL. On a laptop one without credentials is a file of SQLite in its folder."""
        said = {"server_name": server_name, "database_name": database_name, "endpoint": endpoint, "username": username}
        said |= _principal(tenant_id, client_id, resource_url, authority_url)
        secrets, also = {"client_secret": client_secret, "password": password}, also | {"overwrite": overwrite}
        made = AzureSqlDatabaseDatastore
        return _registered(made, "AzureSqlDatabase", workspace, datastore_name, said, secrets, also)

    @staticmethod
    def register_azure_postgre_sql(
        workspace: Within,
        datastore_name: str,
        server_name: str,
        database_name: str,
        user_id: str,
        user_password: str,
        port_number: int | str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        enforce_ssl: bool = True,
        **also: Any,
    ) -> AzurePostgreSqlDatastore:
        """A database of PostgreSQL: of Azure's, or of any host that server_name says whole."""
        said = _server(server_name, database_name, user_id, port_number, endpoint, enforce_ssl)
        secrets, also = {"user_password": user_password}, also | {"overwrite": overwrite}
        made = AzurePostgreSqlDatastore
        return _registered(made, "AzurePostgreSql", workspace, datastore_name, said, secrets, also)

    @staticmethod
    def register_azure_my_sql(
        workspace: Within,
        datastore_name: str,
        server_name: str,
        database_name: str,
        user_id: str,
        user_password: str,
        port_number: int | str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        enforce_ssl: bool = True,
        **also: Any,
    ) -> AzureMySqlDatastore:
        """A database of MySQL: of Azure's, or of any host that server_name says whole."""
        said = _server(server_name, database_name, user_id, port_number, endpoint, enforce_ssl)
        secrets, also = {"user_password": user_password}, also | {"overwrite": overwrite}
        return _registered(AzureMySqlDatastore, "AzureMySql", workspace, datastore_name, said, secrets, also)

    @staticmethod
    def register_sql(workspace: Within, datastore_name: str, url: str, **also: Any) -> SqlDatastore:
        """Any database that SQLAlchemy has a URL for, which v1 never had: sqlite:////data/sales.db, duckdb://...

        A password in it goes into the vault.
        """
        url, password = without_password(url)
        secrets = {"password": password} if password else {}
        return _registered(SqlDatastore, "Sql", workspace, datastore_name, {"url": url}, secrets, also)

    @staticmethod
    def register_fsspec(
        workspace: Within,
        datastore_name: str,
        url: str,
        options: Mapping[str, Any] | None = None,
        credentials: Mapping[str, str] | None = None,
        **also: Any,
    ) -> FsspecDatastore:
        """Files wherever a file system of fsspec's leads, which v1 never had: s3://bucket/folder, sftp://ann@host/data.

        options       what the file system is made with, as fsspec has it
        credentials   the same for what is secret: {"key": ..., "secret": ...} of S3. A password in the URL is one
        The library that speaks to it (s3fs, gcsfs, paramiko) is installed where the service runs. file:///folder is a
        folder of a laptop, used in place.
        """
        url, password = without_password(url)
        secrets = {**({"password": password} if password else {}), **(credentials or {})}
        said = {"url": url, "options": dict(options or {})}
        return _registered(FsspecDatastore, "Fsspec", workspace, datastore_name, said, secrets, also)


def without_password(url: str) -> tuple[str, str]:
    """A URL without the password in it, and the password; "" when it has none.

    >>> without_password("sftp://ann:se%40cret@host:22/data")
    ('sftp://ann@host:22/data', 'se@cret')
    """
    scheme, slashes, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    named, at, host = authority.rpartition("@")
    user, _, password = named.partition(":")
    return f"{scheme}{slashes}{user}{at}{host}{slash}{path}", unquote(password)


def _server(server_name: str, database_name: str, user_id: str, port: Any, endpoint: str | None, ssl: bool) -> Any:
    return {
        "server_name": server_name,
        "database_name": database_name,
        "user_id": user_id,
        "port_number": port,
        "endpoint": endpoint,
        "enforce_ssl": bool(ssl),
    }


def _principal(
    tenant_id: str | None, client_id: str | None, resource_url: str | None, authority_url: str | None
) -> Said:
    return {
        "tenant_id": tenant_id,
        "client_id": client_id,
        "resource_url": resource_url,
        "authority_url": authority_url,
    }


def _registered(
    made: type[_Kind],
    kind: str,
    workspace: Within,
    name: str,
    said: Mapping[str, Any],
    secrets: Mapping[str, str | None],
    also: Mapping[str, Any],
) -> _Kind:
    unknown = [word for word in also if word not in (*_FLAGS, *_SAID, *_NOTHING_HERE)]
    if unknown:
        raise TypeError(f"A datastore of type {kind} is not registered with {', '.join(unknown)}")
    wrong = [word for word, value in {**secrets, "datastore_name": name}.items() if not isinstance(value, str | None)]
    if wrong:
        raise UserErrorException(f"Datastore {name!r}: {', '.join(wrong)} must be text")
    asks = DatastoreRegistration(
        type=kind,
        said={**said, **{word: also[word] for word in _SAID if also.get(word) is not None}},
        credentials={word: value for word, value in secrets.items() if value is not None},
        **{word: bool(also.get(word)) for word in _FLAGS},
    )
    asked(lambda: check_registration(name, asks))  # here as well: with a slash in it another route would answer
    body = asks.model_dump()
    document = asked(lambda: workspace._client.put(f"/datastores/{quote(name, safe='')}", body))
    found = of_document(workspace, document)
    assert isinstance(found, made), document["type"]
    return found
