"""A run of any kind: how it stands, what it logged, and what it left behind.

Source   reference sections 13 and 14
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar
from urllib.parse import quote

from canalis.contract.errors import NotFound
from canalis.contract.metrics import fold
from canalis.contract.mlflow_ids import is_child
from canalis.details import details_of
from canalis.exceptions import ActivityFailedException, ExperimentExecutionException, RunNotFound, UserErrorException
from canalis.filters import fits, is_of, type_of
from canalis.keyvault import Keyvault
from canalis.model import Model
from canalis.progress import follow
from canalis.recording import Recorder, Remote
from canalis.run_files import Files
from canalis.within import Kept, Within

_PAGE = 100


class Run(Files):
    """A run of any kind."""

    _was_waited_for = False  # to its end, by this process

    # Set by canalis.context, which stands above: to find its workspace a script's run needs that class.
    _find_current: ClassVar[Callable[[bool], Any]]

    def __init__(self, experiment: Kept, run_id: str, outputs: Any = None, **kwargs: Any) -> None:
        self._experiment = experiment
        self._id = run_id
        self._known: dict[str, Any] | None = kwargs.get("_view")

    @staticmethod
    def get(workspace: Within, run_id: str) -> Run:
        """The run of that id, a PipelineRun, StepRun or ChildRun as it is one. RunNotFound when there is none."""
        try:
            route = "children" if is_child(run_id) else "runs"
            found: Run = workspace._run(workspace._client.get(f"/{route}/{quote(run_id)}"))
        except NotFound as error:
            raise RunNotFound(error.message, error) from error
        return found

    @staticmethod
    def list(
        experiment: Any,
        type: str | None = None,
        tags: Any = None,
        properties: Any = None,
        status: str | None = None,
        include_children: bool = False,
        **ignored: Any,
    ) -> Iterator[Any]:
        """The runs of an experiment that fit, newest first; as Experiment.get_runs has them, and by their status."""
        for run in experiment.get_runs(type, tags, properties, include_children):
            if run._fits(None, None, None, status):
                yield run

    @classmethod
    def get_context(cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: Any) -> Any:
        """The run that this script is. Outside of one, a run that only prints.

        Raises RunEnvironmentException outside of one when `allow_offline` is False.
        """
        return cls._find_current(allow_offline)

    @property
    def experiment(self) -> Any:
        """The experiment it belongs to."""
        return self._experiment

    @property
    def id(self) -> str:
        """Its id."""
        return self._id

    @property
    def name(self) -> str:
        """Its id; a step's run has the step's name."""
        return self._id

    @property
    def display_name(self) -> str:
        """The name for people."""
        return str(self._view()["display_name"] or self.name)

    @display_name.setter
    def display_name(self, name: str) -> None:
        self._annotate({"display_name": name})

    @property
    def description(self) -> str:
        """What was said of it, when it was submitted or since."""
        return str(self._view().get("description", ""))

    @description.setter
    def description(self, text: str) -> None:
        self._annotate({"description": text})

    @property
    def type(self) -> str:
        """v1's word for its kind."""
        return self._type_in(self._view())

    @property
    def status(self) -> str:
        """How it stands, in the words of plain runs: Preparing, Queued, Running, Completed, Failed, Canceled..."""
        return str(self._view()["run_status_v1"])

    def get_status(self) -> str:
        """The same as `status`."""
        return self.status

    @property
    def number(self) -> int:
        """Which run of its experiment it is, from 1 on; 0 for a step's."""
        return int(self._view().get("number", 0))

    @property
    def parent(self) -> Run | None:
        """The run that it belongs to: a step's pipeline run, or the step that submitted it."""
        view = self._view(allow_old=True)
        parent = view["run_id"] if view["kind"] == "step" else view["parent"]
        return Run.get(self.experiment.workspace, parent) if parent else None

    @property
    def tags(self) -> dict[str, str]:
        """What it is tagged with."""
        return self._tags_in(self._view())

    @property
    def properties(self) -> dict[str, str]:
        """What was written down about it for ever."""
        return dict(self._view()["properties"])

    def get_tags(self) -> dict[str, str]:
        """The same as `tags`."""
        return self.tags

    def get_properties(self) -> dict[str, str]:
        """The same as `properties`."""
        return self.properties

    def tag(self, key: str, value: Any = None) -> None:
        """Tag it."""
        self.set_tags({key: "" if value is None else value})

    def set_tags(self, tags: dict[str, Any]) -> None:
        """Tag it with several."""
        self._annotate({"tags": {str(key): str(value) for key, value in tags.items()}})

    def remove_tags(self, tags: Iterable[str]) -> builtins.list[str]:
        """Take tags off; their names."""
        names = list(tags)
        self._annotate({"tags": dict.fromkeys(names)})
        return names

    def add_properties(self, properties: dict[str, Any]) -> None:
        """Write something down for ever. Raises UserErrorException when it would change what is written."""
        known = self.properties
        changed = [key for key, value in properties.items() if key in known and known[key] != str(value)]
        if changed:
            raise UserErrorException(f"Properties cannot be changed once they are set: {', '.join(changed)}")
        self._annotate({"properties": {str(key): str(value) for key, value in properties.items()}})

    def get_metrics(
        self, name: str | None = None, recursive: bool = False, run_type: Any = None, populate: bool = False
    ) -> dict[str, Any]:
        """Logged values by name; with `recursive`, by the id of this run and of each child that has some."""
        folded = fold(self._recorder().points())
        own = {key: value for key, value in folded.items() if name is None or key == name}
        if not recursive:
            return own
        found = {self.id: own} if own else {}
        for child in self.get_children():
            found.update(child.get_metrics(name, recursive=True))
        return found

    def get_children(
        self,
        recursive: bool = False,
        tags: Any = None,
        properties: Any = None,
        type: str | None = None,
        status: str | None = None,
        **ignored: Any,
    ) -> Iterator[Run]:
        """Its children: none, unless it is a pipeline run."""
        return iter(())

    def get_details(self) -> dict[str, Any]:
        """What is known of it, as v1 shows it."""
        return details_of(self._view() | {"id": self.id}, self._log_files())

    def get_secret(self, name: str) -> str:
        """A secret of the workspace, masked in the step's log. Raises UserErrorException when there is none."""
        return Keyvault(self.experiment.workspace).get_secret(name)

    def get_secrets(self, secrets: Iterable[str]) -> dict[str, str | None]:
        """Secrets of the workspace by name; None for one that is not there."""
        return Keyvault(self.experiment.workspace).get_secrets(secrets)

    def get_portal_url(self) -> str:
        """Where people look at it in the portal; `canalis open` signs their browser in."""
        return f"{self._client.endpoint.url}/#{self._path}"

    def register_model(
        self,
        model_name: str,
        model_path: str | None = None,
        tags: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        description: str | None = None,
        datasets: Any = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
        **ignored: Any,
    ) -> Model:
        """The next version of a model, made of a file or a folder of the run, such as "outputs/model.pkl".

        model_path   None means the one that has the model's name
        Raises ModelPathNotFoundException when that is none of the run's, WebserviceException for what it cannot be
        """
        return Model._register_of_run(
            self.experiment.workspace,
            model_name,
            lambda: self._model_source(str(model_path or model_name)),
            model_framework,
            model_framework_version,
            tags=tags,
            properties=properties,
            description=description,
            datasets=datasets,
            sample_input_dataset=sample_input_dataset,
            sample_output_dataset=sample_output_dataset,
            resource_configuration=resource_configuration,
        )

    def cancel(self) -> None:
        """Stop it. Raises NotSupported for a step's run: a step is stopped with its run, by `run.parent.cancel()`."""
        self._client.post(f"{self._path}/cancel")

    def complete(self, _set_status: bool = True) -> None:
        """A step ends by itself, so this changes nothing."""

    def fail(self, error_details: Any = None, error_code: Any = None, _set_status: bool = True) -> None:
        """A step ends by itself, so this changes nothing."""

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> Any:
        """Wait until it has ended; its details."""
        self._wait(show_output, None, raise_on_error)
        return self.get_details()

    def _wait(self, show_output: bool, timeout_seconds: float | None, raise_on_error: bool) -> dict[str, Any]:
        view = follow(self, show_output, timeout_seconds)
        self._was_waited_for = view["ended_at"] is not None
        if view["run_status_v1"] == "Failed" and raise_on_error:
            error = view.get("error") or {"code": "failed", "message": "The run failed", "step": ""}
            run_id = view["run_id"] if view["kind"] == "step" else view["id"]
            details = json.dumps(
                {"error": {"code": error["code"], "message": error["message"]}, "run": run_id, "step": error["step"]},
                indent=4,
                ensure_ascii=False,
            )
            raise ActivityFailedException(f"Run {self.id} failed:\n{details}", details, was_shown=show_output)
        return view

    def _type_in(self, view: dict[str, Any]) -> str:
        return type_of(view)

    def _fits(self, tags: Any, properties: Any, kind: str | None, status: str | None = None) -> bool:
        """Whether it is one of those that somebody looks for."""
        view = self._view(allow_old=True)
        is_meant = is_of(self._type_in(view), kind) and status in (None, view["run_status_v1"])
        return is_meant and fits(self._tags_in(view), tags) and fits(view["properties"], properties)

    def _tags_in(self, view: dict[str, Any]) -> dict[str, str]:
        return dict(view["tags"])

    def _log_files(self) -> dict[str, str]:
        return {}

    def _annotate(self, said: dict[str, Any]) -> None:
        self._known = self._client.patch(self._path, said)

    def _model_source(self, path: str) -> dict[str, Any]:
        """Where the service finds the files of a model."""
        return {"run": self.id, "path": path}

    def _recorder(self) -> Recorder:
        return Remote(self._client, self.id)

    def _view(self, allow_old: bool = False) -> dict[str, Any]:
        """What the service says of it; an answer of before will do with `allow_old`."""
        if self._known is None or not allow_old:
            try:
                self._known = self._client.get(self._path)
            except NotFound as error:
                raise ExperimentExecutionException(error.message, error, error.code) from error
        assert self._known is not None
        return self._known

    @property
    def _client(self) -> Any:
        return self.experiment.workspace._client

    @property
    def _path(self) -> str:
        return f"/runs/{quote(self._id)}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(Experiment: {self.experiment.name}, Id: {self.id})"


def listed(workspace: Within, **query: Any) -> Iterator[Any]:
    """Runs that fit, newest first, fetched page by page as they are asked for."""
    before = None
    while True:
        page = workspace._client.get("/runs", limit=_PAGE, before=before, **query)
        for view in page:
            yield workspace._run(view)
        if len(page) < _PAGE:
            return
        before = page[-1]["submitted_at"]


def get_run(experiment: Kept, run_id: str, rehydrate: bool = True, clean_up: bool = True) -> Run:
    """The run of that id, of the class that it is."""
    return Run.get(experiment.workspace, run_id)
