"""Datastores that authors register: a document that everybody may see, and secrets in the vault."""

from __future__ import annotations

from collections.abc import Iterable

from canalis.contract.datastores import DATASTORES, FURNISHED, DatastoreRegistration, check_registration, secret_of
from canalis.contract.errors import (
    AlreadyExists,
    Conflict,
    DatastoreRefused,
    NotFound,
    NotSupported,
    StillUsed,
    WorldError,
)
from canalis.contract.ports import Document, Ports, Stored

DEFAULT = "workspaceblobstore"
_SETTING = "default_datastore"


def default_name(ports: Ports) -> str:
    """The name of the datastore that is used where none is named."""
    stored = ports.documents.get("settings", _SETTING)
    return str(stored.body["name"]) if stored else DEFAULT


def set_default(ports: Ports, name: str) -> Stored:
    """Make a datastore the one that is used where none is named. Raises NotFound."""
    stored = find(ports, name)
    ports.documents.put("settings", _SETTING, {"name": name})
    return stored


def find(ports: Ports, name: str) -> Stored:
    """A datastore. Raises NotFound, with the names that there are."""
    stored = ports.documents.get(DATASTORES, name)
    if stored is None:
        known = ", ".join(found.name for found in ports.documents.list(DATASTORES))
        raise NotFound(f"There is no datastore '{name}' (there: {known})", kind="datastore", name=name)
    return stored


def register(ports: Ports, name: str, asked: DatastoreRegistration) -> Stored:
    """Keep a datastore, after a look whether it can be reached. The same one again is no conflict.

    Raises   NameInvalid, BadRequest, AlreadyExists without `overwrite`, StillUsed for one that every workspace has,
             NotSupported, DatastoreRefused for one that does not let us in, or does not answer
    """
    check_registration(name, asked)
    if name in FURNISHED:
        raise StillUsed(f"Datastore '{name}' is one that every workspace has, and stays as it is: take another name")
    body, known = asked.body(), ports.documents.get(DATASTORES, name)
    if known is not None and not asked.overwrite and not _is_same(ports, name, known.body, body, asked.credentials):
        raise _taken(name)
    _look_at(ports, name, body, asked)
    for credential, secret in asked.credentials.items():
        ports.vault.keep(secret_of(name, credential), secret)
    try:
        stored = ports.documents.put(DATASTORES, name, body, if_absent=known is None and not asked.overwrite)
    except Conflict:
        raise _taken(name) from None
    before = known.body.get("credentials", ()) if known is not None else ()
    _forget(ports, name, [one for one in before if one not in asked.credentials])
    return stored


def unregister(ports: Ports, name: str) -> None:
    """Forget a datastore and its secrets, or find that it is gone; its files stay where they are.

    Raises   StillUsed for the default one, and for one that every workspace has
    """
    if name in FURNISHED:
        raise StillUsed(f"Datastore '{name}' is one that every workspace has, and cannot be unregistered")
    if name == default_name(ports):
        raise StillUsed(f"Datastore '{name}' is the default one: make another the default first")
    known = ports.documents.get(DATASTORES, name)
    ports.documents.delete(DATASTORES, name)
    _forget(ports, name, known.body.get("credentials", ()) if known else ())


def credentials(ports: Ports, name: str) -> dict[str, str]:
    """The secrets of a datastore by their names. Raises NotFound, SecretUnreadable."""
    names = find(ports, name).body.get("credentials", ())
    found = {one: ports.vault.read(secret_of(name, one)) for one in names}
    return {one: value for one, value in found.items() if value is not None}


def _look_at(ports: Ports, name: str, body: Document, asked: DatastoreRegistration) -> None:
    try:
        store = ports.stores.reach(name, body, asked.credentials, asked.create_if_not_exists)
        if store is not None and not asked.skip_validation:
            next(store.list(""), None)
    except NotSupported:
        if not asked.skip_validation:
            raise
    except WorldError as error:
        raise DatastoreRefused(
            f"{error.message}. With skip_validation=True it is registered all the same, and asked when a step needs it"
        ) from error


def _is_same(ports: Ports, name: str, known: Document, body: Document, secrets: dict[str, str]) -> bool:
    return known == body and all(ports.vault.read(secret_of(name, one)) == secrets[one] for one in secrets)


def _taken(name: str) -> AlreadyExists:
    return AlreadyExists(
        f"There is a datastore '{name}' already, which is another one: pass overwrite=True to put this one in its "
        "place, or take another name",
        kind="datastore",
        name=name,
    )


def _forget(ports: Ports, name: str, gone: Iterable[str]) -> None:
    for credential in gone:
        ports.vault.forget(secret_of(name, credential))
