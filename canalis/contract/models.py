"""Registered models: files that have a name in the workspace, in versions. As kept and shown.

Source   reference section 17
"""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, StrictInt, model_validator

from canalis.contract.errors import NameInvalid
from canalis.contract.graph import DatasetValue, Part

MODELS = "models"  # kind of the documents with a version each, named <name>:<version>
FILES_MAX = 100_000
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}")
_WORDS_MAX = 50

_Key = Annotated[str, Field(min_length=1, max_length=255)]
_Text = Annotated[str, Field(max_length=5_000)]
Words = Annotated[dict[_Key, _Text], Field(max_length=_WORDS_MAX)]
_Framework = Annotated[str, Field(max_length=255)]


class ModelDataset(Part):
    """A dataset that a model was made with, or is for.

    scenario   what it was used for, in v1's words or others: training, validation, inferencing
    """

    scenario: Annotated[str, Field(max_length=255)]
    dataset: DatasetValue


class Resources(Part):
    """What a model wants of the machine that serves it; recorded."""

    cpu: Annotated[float, Field(gt=0)] | None = None
    memory_in_gb: Annotated[float, Field(gt=0)] | None = None
    gpu: Annotated[StrictInt, Field(ge=0)] | None = None


_Datasets = Annotated[tuple[ModelDataset, ...], Field(max_length=_WORDS_MAX)]


class ModelRegistration(Part):
    """What a caller wants registered under a name: files of a snapshot, or of a run.

    snapshot   all its files lie below one folder, or it has only one
    path       a file or a folder among the files of `run`
    run        id of the run, or of the step's run, that the model comes from; "" for none
    """

    snapshot: str | None = None
    path: Annotated[str, Field(min_length=1, max_length=1_024)] | None = None
    run: str = ""
    description: _Text = ""
    tags: Words = Field(default_factory=dict)
    properties: Words = Field(default_factory=dict)
    framework: _Framework = ""
    framework_version: _Framework = ""
    datasets: _Datasets = ()
    sample_input: DatasetValue | None = None
    sample_output: DatasetValue | None = None
    resources: Resources | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.snapshot is None) == (self.path is None):
            raise ValueError("a model is made of the files of a snapshot, or of a path of a run, and not of both")
        if self.path is not None and not self.run:
            raise ValueError("a path is one of a run: say of which")
        return self


class ModelChange(Part):
    """What is to be changed of a model. A tag that is null is taken off.

    properties   to be added: those that are there stay
    datasets     to be added
    """

    description: _Text | None = None
    tags: Annotated[dict[_Key, _Text | None], Field(max_length=_WORDS_MAX)] = Field(default_factory=dict)
    properties: Words = Field(default_factory=dict)
    datasets: _Datasets = ()
    sample_input: DatasetValue | None = None
    sample_output: DatasetValue | None = None
    resources: Resources | None = None


class RegisteredModel(Part):
    """A version of a registered model, as it is kept and shown.

    id           <name>:<version>
    snapshot     which files it has
    root         name of its only file, or of the folder that they all lie below
    run          what it comes from, a run or a step's run; "" when that is not known
    experiment   of that run
    *_at         seconds since 1970, UTC
    """

    id: str
    name: str
    version: StrictInt
    snapshot: str
    root: str
    files: StrictInt
    bytes: StrictInt
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)
    framework: str = ""
    framework_version: str = ""
    datasets: tuple[ModelDataset, ...] = ()
    sample_input: DatasetValue | None = None
    sample_output: DatasetValue | None = None
    resources: Resources | None = None
    run: str = ""
    experiment: str = ""
    created_at: float
    created_by: str = ""
    updated_at: float


def check_model_name(name: str) -> str:
    """The name itself. Raises NameInvalid when it cannot be that of a model."""
    if not _NAME.fullmatch(name):
        raise NameInvalid(
            f"'{name[:80]}' cannot be the name of a model: 1 to 255 letters, digits, ., _ and -, and one of the first "
            "two kinds at its beginning",
            name=name[:80],
        )
    return name
