"""Registered datasets are kept, and found by what people call them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from canalis.contract.dataset_versions import VERSION_DIGITS, make_version, version_key
from canalis.contract.datasets import (
    DATASET_IDS,
    DATASETS,
    LATEST,
    DatasetChange,
    DatasetRegistration,
    RegisteredDataset,
    changed,
    check_dataset_name,
    is_id,
    split_name,
)
from canalis.contract.datastores import DATASTORES
from canalis.contract.errors import BadRequest, Conflict, NotFound, ParameterError
from canalis.contract.graph import DataPathValue, DatasetValue, Parameter, ParameterValue
from canalis.contract.parameters import Values, assign, is_outside
from canalis.contract.ports import Document, DocumentStore, Ports


def register(ports: Ports, name: str, asked: DatasetRegistration, by: str = "") -> RegisteredDataset:
    """Give files a name. The same files, read alike, as those of its newest version keep that version, as it is.

    Raises   NameInvalid, NotFound for a datastore, BadRequest for a place outside of one, AlreadyExists when other
             files have the name and no new version may be made
    """
    check_dataset_name(name)
    _check_places(ports.documents, asked)
    return make_version(ports.documents, ports.clock.now(), name, asked, by)


def find(documents: DocumentStore, said: str, version: str = LATEST) -> RegisteredDataset:
    """The registered dataset of that name and version, or of that id. Raises NotFound."""
    if is_id(said):
        return _of_id(documents, said.lower(), version)
    if version == LATEST:
        known = documents.list(DATASETS, f"{said}:") if said else []
        body = known[-1].body if known else None
    else:
        body = _version(documents, said, version)
    if body is None:
        raise NotFound(_not_there(documents, said, version), kind="dataset", name=said[:80])
    return RegisteredDataset.model_validate(body)


def change(documents: DocumentStore, said: str, asked: DatasetChange, version: str = LATEST) -> RegisteredDataset:
    """Say something else of a version. Raises NotFound; TooLarge for too many tags."""
    while True:
        key = version_key((found := find(documents, said, version)).name, found.version)
        stored = documents.get(DATASETS, key)
        if stored is None:
            continue  # it was unregistered just now, as `find` will say
        made = changed(RegisteredDataset.model_validate(stored.body), asked)
        with suppress(Conflict):
            documents.put(DATASETS, key, made.model_dump(mode="json"), etag=stored.etag)
            return made


def unregister(documents: DocumentStore, name: str) -> None:
    """Take a name from all its versions, whose ids find nothing then. Safe to do twice."""
    # The newest is found by the name, so it goes last: what was cut short is done by asking again.
    for stored in documents.list(DATASETS, f"{name}:") if name else []:
        documents.delete(DATASET_IDS, stored.body["id"])
        documents.delete(DATASETS, stored.name)


def newest_of_each(documents: DocumentStore) -> list[RegisteredDataset]:
    """The newest version of each registered dataset, by name."""
    newest = {stored.name.rpartition(":")[0]: stored.body for stored in documents.list(DATASETS)}
    return [RegisteredDataset.model_validate(body) for body in newest.values()]


def assigned(documents: DocumentStore, parameters: Iterable[Parameter], given: Values) -> dict[str, ParameterValue]:
    """The value of each parameter in a run that is submitted now: a dataset's name becomes the files that it has now.

    Raises ParameterError as `assign` does, for every dataset and every datastore that is not there as well.
    """
    known, found, wrong = tuple(parameters), dict[str, ParameterValue](), list[str]()
    for parameter in known:
        value = given.get(parameter.name, parameter.default)
        if parameter.type != "dataset" or not isinstance(value, (str, DatasetValue)):
            continue
        try:
            found[parameter.name] = _looked_up(documents, value)
        except NotFound as error:
            wrong.append(f"Parameter '{parameter.name}': {error.message}")
    wrong += _datastores_missing(documents, {one.name: given[one.name] for one in known if one.name in given})
    try:
        values = assign(known, given)
    except ParameterError as error:
        wrong.insert(0, error.message)
    if wrong:
        raise ParameterError("; ".join(wrong), names=sorted(given))
    return values | found


def _datastores_missing(documents: DocumentStore, given: Values) -> Iterator[str]:
    there = dict[str, bool]()
    for name, value in given.items():
        # Where a registered dataset lies was looked at when it was registered.
        places = value.places if isinstance(value, DatasetValue) and value.registered is None else (value,)
        for store in dict.fromkeys(place.datastore for place in places if isinstance(place, DataPathValue)):
            if store not in there:
                there[store] = documents.get(DATASTORES, store) is not None
            if not there[store]:
                known = ", ".join(sorted(found.name for found in documents.list(DATASTORES))) or "none"
                yield f"Parameter '{name}' names datastore '{store[:80]}', which is not there (there: {known})"


def _looked_up(documents: DocumentStore, value: str | DatasetValue) -> DatasetValue:
    if isinstance(value, str):
        return find(documents, *split_name(value)).value()
    # Which files a registered one has is known here, whatever a caller says of it.
    return find(documents, value.registered.id).value() if value.registered is not None else value


def _of_id(documents: DocumentStore, identity: str, version: str) -> RegisteredDataset:
    named = documents.get(DATASET_IDS, identity)
    stored = documents.get(DATASETS, version_key(named.body["name"], named.body["version"])) if named else None
    if stored is None or stored.body["id"] != identity:
        raise NotFound(f"There is no dataset with the id {identity}", kind="dataset", name=identity)
    found = RegisteredDataset.model_validate(stored.body)
    if version not in (LATEST, str(found.version)):
        raise NotFound(
            f"The id {identity} is that of version {found.version} of dataset '{found.name}', not of '{version[:80]}'",
            kind="dataset",
            name=identity,
        )
    return found


def _version(documents: DocumentStore, name: str, version: str) -> Document | None:
    if not (version.isascii() and version.isdecimal()):
        return None
    digits = version.lstrip("0")
    stored = documents.get(DATASETS, version_key(name, int(digits))) if 0 < len(digits) <= VERSION_DIGITS else None
    return stored.body if stored else None


def _not_there(documents: DocumentStore, said: str, version: str) -> str:
    if version != LATEST and (known := documents.list(DATASETS, f"{said}:")):
        return f"Dataset '{said[:80]}' has no version '{version[:80]}' (the newest is {known[-1].body['version']})"
    return f"There is no dataset '{said[:80]}'"


def _check_places(documents: DocumentStore, asked: DatasetRegistration) -> None:
    outside = [place.path for place in asked.places if is_outside(place.path)]
    if outside:
        raise BadRequest(f"These paths leave their datastores: {', '.join(map(repr, outside[:20]))}")
    for name in dict.fromkeys(place.datastore for place in asked.places):
        if documents.get(DATASTORES, name) is None:
            raise NotFound(f"There is no datastore '{name[:80]}'", kind="datastore", name=name[:80])
