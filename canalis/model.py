"""Registered models: files that have a name in the workspace, in versions.

Source   reference section 17
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from canalis import known_models, transfer
from canalis.abstract_dataset import AbstractDataset
from canalis.answers import of_models
from canalis.exceptions import ModelNotFoundException, RunEnvironmentException, WebserviceException
from canalis.model_facts import ModelFacts, described, references
from canalis.model_files import files_at, not_of_run, sent
from canalis.within import Within

_CACHE = "azureml-models"  # folder of models that scripts have asked for, as in v1


class Framework:
    """v1's words for what a model was made with; others are good, too."""

    TENSORFLOW = "TensorFlow"
    SCIKITLEARN = "ScikitLearn"
    ONNX = "Onnx"
    PYTORCH = "PyTorch"
    CUSTOM = "Custom"
    MULTI = "Multi"


class Model(ModelFacts):
    """A version of a registered model.

    Model(ws, name) is the newest version of that name; with tags, properties, run_id or model_framework the newest
    that has them. Raises WebserviceException when there is none.
    """

    Framework = Framework

    # Set by canalis.context, which stands above: the workspace of the step that a script is.
    _find_workspace: ClassVar[Callable[[], Within]]

    def __init__(
        self,
        workspace: Within,
        name: str | None = None,
        id: str | None = None,
        tags: Any = None,
        properties: Any = None,
        version: int | str | None = None,
        run_id: str | None = None,
        model_framework: str | None = None,
        expand: bool = True,
        **kwargs: Any,
    ) -> None:
        self.workspace = workspace
        view = kwargs.get("_view")
        self._view = view or known_models.sought(
            workspace, name, version, id, tags=tags, properties=properties, run_id=run_id, framework=model_framework
        )

    @staticmethod
    def register(
        workspace: Within,
        model_path: str | os.PathLike[str],
        model_name: str,
        tags: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        description: str | None = None,
        datasets: Sequence[tuple[str, AbstractDataset]] | None = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        child_paths: Sequence[str] | None = None,
        sample_input_dataset: AbstractDataset | None = None,
        sample_output_dataset: AbstractDataset | None = None,
        resource_configuration: Any = None,
        **ignored: Any,
    ) -> Model:
        """The next version of that name, made of a file or a folder here; in a step it comes from the step's run.

        child_paths   files and folders of that folder; all of it when None
        Raises WebserviceException; no version is there then
        """
        known_models.checked(model_name)
        body = described(
            tags,
            properties,
            description,
            datasets,
            sample_input_dataset,
            sample_output_dataset,
            resource_configuration,
        )
        body |= {"framework": model_framework or "", "framework_version": model_framework_version or ""}
        body |= {"run": known_models.run_of_this_script(workspace)}
        body["snapshot"] = sent(workspace._client, files_at(model_path, child_paths))
        return Model(workspace, _view=known_models.register(workspace, model_name, body))

    @staticmethod
    def _register_of_run(
        workspace: Within,
        model_name: str,
        source: Callable[[], dict[str, Any]],
        framework: str | None,
        framework_version: str | None,
        **given: Any,
    ) -> Model:
        """The next version of that name, made of files of a run. Raises ModelPathNotFoundException.

        source   gives which, once the rest has been found good
        given    what is said of it
        """
        known_models.checked(model_name)
        body = described(**given) | {"framework": framework or "", "framework_version": framework_version or ""}
        try:
            return Model(workspace, _view=known_models.register(workspace, model_name, body | source()))
        except WebserviceException as error:
            details = getattr(error.inner_exception, "details", {})
            if error.code == "not_found" and details.get("kind") == "file":
                raise not_of_run(error.message, error) from error
            raise

    @staticmethod
    def list(
        workspace: Within,
        name: str | None = None,
        tags: Any = None,
        properties: Any = None,
        run_id: str | None = None,
        latest: bool = False,
        dataset_id: str | None = None,
        expand: bool = True,
        page_count: int = 255,
        model_framework: str | None = None,
    ) -> builtins.list[Model]:
        """The models of a workspace, the newest first.

        tags, properties   names that must be there, and [name, value] pairs
        latest             only the newest version of each name
        dataset_id         of a registered dataset that they refer to
        """
        views = known_models.listed(workspace, name, tags, properties, run_id, latest, dataset_id, model_framework)
        return [Model(workspace, _view=view) for view in views]

    @staticmethod
    def get_model_path(model_name: str, version: int | None = None, _workspace: Within | None = None) -> str:
        """Where the model's file or folder is on this machine, once it was copied below azureml-models/.

        _workspace   may be left out in a step
        Raises ModelNotFoundException when there is no such model
        """
        if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
            raise WebserviceException(f"The version of a model is a number, not {version!r}")
        workspace = _workspace if _workspace is not None else Model._of_this_script(model_name)
        try:
            found = Model(workspace, model_name, version=version)
        except WebserviceException as error:
            raise ModelNotFoundException(error.message, error, error.code) from error
        return found.download(Path(_CACHE) / found.name / str(found.version), exist_ok=True)

    @staticmethod
    def _of_this_script(model_name: str) -> Within:
        try:
            return Model._find_workspace()
        except (AttributeError, RunEnvironmentException) as error:
            raise ModelNotFoundException(
                f"Outside of a step nothing says in which workspace model '{model_name}' is: pass _workspace=ws, or "
                f"use Model(ws, '{model_name}').download()",
                error,
            ) from error

    def download(
        self, target_dir: str | os.PathLike[str] = ".", exist_ok: bool = False, exists_ok: bool | None = None
    ) -> str:
        """Copy its file or its folder into a folder; where it is there.

        Raises WebserviceException for a file that is there already, unless `exist_ok`
        """
        client, target = self.workspace._client, Path(target_dir)
        files = of_models(lambda: client.get(f"{self._path}/files"))
        wanted = [(file["path"], target / file["path"]) for file in files]
        there = [local for _, local in wanted if local.exists()]
        if there and not (exists_ok if exists_ok is not None else exist_ok):
            raise WebserviceException(
                f"{there[0]} is there already; pass exist_ok=True to replace it", code="already_exists"
            )
        builtins.list(transfer.receive(client, transfer.of_model(self.id), wanted))
        return str(target / self._view["root"])

    def add_tags(self, tags: dict[str, Any]) -> None:
        """Tag it with more, or otherwise."""
        self._change({"tags": known_models.words("Tags", tags)})

    def remove_tags(self, tags: Sequence[str]) -> None:
        """Take tags off, by name."""
        names = [tags] if isinstance(tags, str) else [*tags]
        self._change({"tags": dict.fromkeys(names)})

    def add_properties(self, properties: dict[str, Any]) -> None:
        """Write something down for ever. Raises WebserviceException when it would change what is written."""
        self._change({"properties": known_models.words("Properties", properties)})

    def update_tags_properties(
        self,
        add_tags: dict[str, Any] | None = None,
        remove_tags: Sequence[str] | None = None,
        add_properties: dict[str, Any] | None = None,
    ) -> None:
        """Change tags and add properties, all or nothing."""
        tags = {**dict.fromkeys(remove_tags or ()), **known_models.words("Tags", add_tags)}
        self._change({"tags": tags, "properties": known_models.words("Properties", add_properties)})

    def update(
        self,
        tags: dict[str, Any] | None = None,
        description: str | None = None,
        sample_input_dataset: AbstractDataset | None = None,
        sample_output_dataset: AbstractDataset | None = None,
        resource_configuration: Any = None,
    ) -> None:
        """Put what is given in the place of what was there: these tags are all that it has then."""
        samples = (sample_input_dataset, sample_output_dataset)
        news = described(tags, None, description, None, *samples, resource_configuration)
        if tags is not None:
            news["tags"] = {**dict.fromkeys(self.tags), **news["tags"]}
        if description is None:
            del news["description"]
        self._change(news)

    def add_dataset_references(self, datasets: Sequence[tuple[str, AbstractDataset]]) -> None:
        """Say with which datasets it was made: [(scenario, dataset)], such as [(Dataset.Scenario.TRAINING, data)]."""
        self._change({"datasets": references(datasets)})

    def delete(self) -> None:
        """Delete this version. Its number is not given to another one."""
        of_models(lambda: self.workspace._client.delete(self._path))

    def _change(self, news: dict[str, Any]) -> None:
        self._view = of_models(lambda: self.workspace._client.patch(self._path, news))
