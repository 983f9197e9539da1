"""Of which class the datastore is that a document of the service describes."""

from __future__ import annotations

from typing import Any

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
from canalis.within import Within

_CLASSES: dict[str, type[AbstractDatastore]] = {
    "AzureBlob": AzureBlobDatastore,
    "AzureFile": AzureFileDatastore,
    "AzureDataLake": AzureDataLakeDatastore,
    "AzureDataLakeGen2": AzureDataLakeGen2Datastore,
    "DBFS": DBFSDatastore,
    "Hdfs": HDFSDatastore,
    "Fsspec": FsspecDatastore,
    "AzureSqlDatabase": AzureSqlDatabaseDatastore,
    "AzurePostgreSql": AzurePostgreSqlDatastore,
    "AzureMySql": AzureMySqlDatastore,
    "Sql": SqlDatastore,
}


def of_document(workspace: Within, document: dict[str, Any]) -> AbstractDatastore:
    """The datastore that a document of the service describes."""
    return _CLASSES.get(document["type"], AbstractDatastore)(workspace, document)
