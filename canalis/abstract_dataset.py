"""What datasets of files and of rows have in common, and how a step reads either.

Source   reference section 5
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from canalis import known_datasets
from canalis.absent import V1
from canalis.contract.errors import GraphError
from canalis.contract.graph import DataPathValue, DatasetValue, Registered
from canalis.contract.parameters import places_id
from canalis.contract.tables import Table
from canalis.exceptions import UserErrorException
from canalis.parameter import Choice, PipelineParameter, made_of, pieces_of, written
from canalis.within import Store, Within

INPUT_NAME = re.compile(r"[a-zA-Z_]+[a-zA-Z0-9_]*", re.ASCII)
_RISKY_NAMES = ("path", "home", "user", "pwd", "shell", "lang")


class AbstractDataset(Choice):
    """Files in datastores, or the rows in them.

    places   (datastore, path) pairs; a path may be a pattern: * within a folder, ** across folders, and may have
             parameters written into it
    """

    _classes: ClassVar[dict[bool, type[AbstractDataset]]] = {}  # by whether they have rows
    _table: Table | None = None
    _partition_format = ""  # of files alone: that of rows is in their table

    def __init_subclass__(cls, has_rows: bool) -> None:
        AbstractDataset._classes[has_rows] = cls

    def __init__(self, places: Sequence[tuple[Store, Any]], facts: dict[str, Any] | None = None) -> None:
        """The dataset of these places; `facts` are what the service says of one that is registered."""
        self._places = tuple((store, path if isinstance(path, tuple) else pieces_of(path)) for store, path in places)
        self._registered: Registered | None = None
        self.description: str | None = None
        self.tags: dict[str, str] = {}
        self._is_named(facts or {})

    def _is_named(self, facts: dict[str, Any]) -> None:
        if "id" in facts:
            self._registered = Registered(name=facts["name"], version=facts["version"], id=facts["id"])
            self._partition_format = facts.get("partition_format") or self._partition_format
            self.description = facts.get("description")
            self.tags = dict(facts.get("tags") or {})

    @staticmethod
    def _of_view(workspace: Within, view: dict[str, Any]) -> AbstractDataset:
        """The dataset that a view of the service describes, of its own class."""
        stores = workspace.datastores
        by_name = {name: stores[name] for name in dict.fromkeys(place["datastore"] for place in view["places"])}
        places = [(by_name[place["datastore"]], (place["path"],)) for place in view["places"]]
        made = AbstractDataset._classes[view.get("table") is not None](places, view)
        if view.get("table") is not None:
            made._table = Table.model_validate(view["table"])
        return made

    @property
    def name(self) -> str | None:
        """The name that it is registered by, if it is."""
        return self._registered.name if self._registered else None

    @property
    def version(self) -> int | None:
        """Its version under that name, from 1 on."""
        return self._registered.version if self._registered else None

    @property
    def id(self) -> str:
        """That of the registered one, which finds it again; else one that all datasets of the same places have."""
        if self._registered is not None:
            return self._registered.id
        return places_id(((store.name, written(path)) for store, path in self._places), self._table)

    def register(
        self,
        workspace: Within,
        name: str,
        description: str | None = None,
        tags: dict[str, str] | None = None,
        create_new_version: bool = False,
    ) -> Self:
        """The same with a name in the workspace. What has it already keeps its version.

        create_new_version   whether it may be the next version of a name that others have
        Raises UserErrorException when others have the name and it may not
        """
        value = self._as_value()
        body = {
            "places": [place.model_dump() for place in value.places],
            "description": description or "",
            "tags": _texts(tags),
            "create_new_version": create_new_version,
        }
        if self._partition_format:
            body["partition_format"] = self._partition_format
        if self._table is not None:
            body["table"] = self._table.model_dump(mode="json", exclude_unset=True)
        made = copy.copy(self)
        made._is_named(known_datasets.register(workspace, name, body))
        return made

    def unregister_all_versions(self) -> None:
        """Take its name from it in all versions. What runs read already they go on to read; no file is deleted."""
        if self._registered is None:
            raise UserErrorException(f"{self!r} is not registered, so there is nothing to unregister")
        known_datasets.unregister(self._places[0][0].workspace, self._registered.name)
        self._registered = None

    def add_tags(self, tags: dict[str, str] | None = None) -> Self:
        """The same, with these tags beside those that it has. Raises UserErrorException for one that has no name."""
        return self._changed({"add_tags": _texts(tags)})

    def remove_tags(self, tags: list[str] | None = None) -> Self:
        """The same, without the tags of these names."""
        if isinstance(tags, str):
            raise UserErrorException("remove_tags() takes a list of names of tags")
        return self._changed({"remove_tags": [str(name) for name in tags or ()]})

    def update(self, description: str | None = None, tags: dict[str, str] | None = None) -> Self:
        """The same, with another description or, in the place of all that it has, other tags."""
        return self._changed({"description": description, "tags": None if tags is None else _texts(tags)})

    def _changed(self, asked: dict[str, Any]) -> Self:
        if self._registered is None:
            raise UserErrorException(f"{self!r} is not registered: register() it first, with its description and tags")
        self._is_named(known_datasets.change(self._places[0][0].workspace, self._registered.id, asked))
        return self

    def as_named_input(self, name: str) -> DatasetConsumptionConfig:
        """To be read by a step under that name. Some names would hide variables of the system, which is warned of."""
        if name.lower() in _RISKY_NAMES:
            warnings.warn(f"An input named '{name}' hides the variable {name} in its step", UserWarning, stacklevel=2)
        return DatasetConsumptionConfig(name, self)

    def _as_value(self) -> DatasetValue:
        """The same as the value of a parameter. Raises GraphError when its paths are made of parameters."""
        named = [name for _, path in self._places for name in made_of(path)]
        if named:
            raise GraphError(
                f"Where the files of {self!r} lie is known in a run alone, since it depends on parameter '{named[0]}'"
            )
        places = tuple(DataPathValue(datastore=store.name, path=written(path)) for store, path in self._places)
        parts: dict[str, Any] = {"places": places, "registered": self._registered}
        if self._table is not None:
            parts["table"] = self._table
        return DatasetValue(**parts)

    def __repr__(self) -> str:
        named = f"{self.name!r}, version={self.version}, " if self._registered else ""
        return f"{type(self).__name__}({named}{self._said()})"

    def _said(self) -> list[str]:
        return [f"{store.name}/{written(path)}" for store, path in self._places]


def _texts(tags: dict[str, str] | None) -> dict[str, str]:
    return {str(key): str(value) for key, value in (tags or {}).items()}


class StepDataset(V1):
    """What a step writes and another reads as a dataset, which is none yet when the pipeline is made."""

    name: str
    _table: Table | None = None


class DatasetConsumptionConfig(V1):
    """How a step reads a dataset: under which name and in which mode (direct, mount or download).

    dataset   a dataset, (workspace, name) or (workspace, name, version) of a registered one, or a PipelineParameter:
              one whose default is a dataset, or is the name of a registered one. Rows are read in mode direct alone
    """

    def __init__(self, name: str, dataset: Any, mode: str = "direct", path_on_compute: str | None = None) -> None:
        if not INPUT_NAME.fullmatch(name or ""):
            raise UserErrorException(
                f"'{name}' cannot be the name of a dataset input: a letter or _, then letters, digits and _"
            )
        if mode not in ("direct", "mount", "download"):
            raise UserErrorException(f"'{mode}' is no mode of a dataset input: direct, mount, download")
        if isinstance(dataset, tuple):
            dataset = AbstractDataset._of_view(dataset[0], known_datasets.by_name(*dataset))
        named = dataset.default_value if isinstance(dataset, PipelineParameter) else dataset
        kinds = (AbstractDataset, str) if isinstance(dataset, PipelineParameter) else (AbstractDataset, StepDataset)
        if not isinstance(named, kinds):
            raise UserErrorException(f"Input '{name}' needs a dataset, not {type(named).__name__}")
        if mode != "direct" and isinstance(named, (AbstractDataset, StepDataset)) and named._table is not None:
            raise UserErrorException(
                f"Input '{name}' has rows, which cannot be read in mode {mode}: leave the mode out, and read it in the "
                f"step by Run.get_context().input_datasets['{name}'], or use a dataset of files"
            )
        self.name = name
        self.dataset = dataset
        self.mode = mode
        self.path_on_compute = path_on_compute

    def as_mount(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """The same, used in place."""
        return DatasetConsumptionConfig(self.name, self.dataset, "mount", path_on_compute)

    def as_download(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """The same, copied before the step begins."""
        return DatasetConsumptionConfig(self.name, self.dataset, "download", path_on_compute)

    @property
    def arg_val(self) -> str:
        """What stands for its path, or its id, anywhere in an argument."""
        return f"DatasetConsumptionConfig:{self.name}"

    @property
    def _table(self) -> Table | None:
        """How rows are read from it; None for files, and for a parameter, whose value says so."""
        table: Table | None = None if isinstance(self.dataset, PipelineParameter) else self.dataset._table
        return table

    def __str__(self) -> str:
        return self.arg_val
