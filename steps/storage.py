"""What places in datastores are called by services that reach the storage themselves. Pure."""

from __future__ import annotations

from canalis.contract.places import Place
from canalis.contract.ports import Document
from steps.jobs import Refused


def uri_of(place: Place, datastore: Document, own_account: str = "") -> str:
    """The address of a place, as Spark reads it.

    datastore     the document that says what it is
    own_account   host of the blob account in which the service keeps what is in no account of its own; "" for none
    Raises Refused for a datastore that no service elsewhere can reach.

    >>> uri_of(Place("s", "a/b"), {"type": "AzureBlob", "account_name": "acc", "container_name": "c"})
    'wasbs://c@acc.blob.core.windows.net/a/b'
    """
    kind, account, container = (str(datastore.get(key) or "") for key in ("type", "account_name", "container_name"))
    suffix = str(datastore.get("endpoint") or "core.windows.net")
    if kind == "DBFS":
        return f"dbfs:/{place.path}"
    if kind == "AzureDataLake" and datastore.get("store_name"):
        return f"adl://{datastore['store_name']}.azuredatalakestore.net/{place.path}"
    if kind == "AzureDataLakeGen2" and account:
        return f"abfss://{container}@{account}.dfs.{suffix}/{place.path}"
    if kind == "AzureBlob" and account:
        return f"wasbs://{container}@{account}.blob.{suffix}/{place.path}"
    if own_account:
        return f"wasbs://canalis@{own_account}/datastores/{place.datastore}/{place.path}"
    raise Refused(
        f"The datastore '{place.datastore}' lies on the service's own machine, which no other service can reach: "
        "name one that is a storage account, such as register_azure_blob_container makes"
    )


def account_setting(place: Place, datastore: Document) -> str:
    """The Spark setting that takes the key of the account in which a place lies; "" where there is none."""
    account, suffix = datastore.get("account_name"), datastore.get("endpoint") or "core.windows.net"
    return f"fs.azure.account.key.{account}.blob.{suffix}" if account and datastore.get("type") == "AzureBlob" else ""
