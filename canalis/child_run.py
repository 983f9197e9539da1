"""Runs that a script begins below its own: one for each of several fits, say. Their values are on the step's run too.

What a child logs lies on the run of its step under the child's name, as what MLflow's client logs on a nested run does.
In a script that costs a write, as logging does: only to begin a child and to end it the service is asked.

Source   reference section 13
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote

from canalis.contract.errors import NotFound
from canalis.contract.mlflow_ids import is_child
from canalis.exceptions import ActivityFailedException, ExperimentExecutionException, UserErrorException
from canalis.recording import Recorder
from canalis.run import Run
from canalis.within import Kept

_REST_S = 0.5  # between two looks at a child that is waited for
_SAID_MAX = 2_000  # characters of why a child has failed


class Parent(Run):
    """A run below which a script can begin others."""

    def child_run(self, name: str | None = None, run_id: str | None = None, outputs: Any = None) -> ChildRun:
        """Begin a run below this one. As a context manager it is completed at the end, or fails with what is raised.

        name   of several children of one name the later ones are called a little differently in their ids
        """
        body = {"name": str(name or run_id or "")}
        return ChildRun(self._experiment, self._client.post(self._children, body), self._step_run())

    def create_children(
        self, count: int | None = None, tag_key: str | None = None, tag_values: Iterable[Any] | None = None
    ) -> list[ChildRun]:
        """Begin several runs below this one: so many, or one for each value of a tag.

        Raises UserErrorException when neither is said, or both
        """
        if (count is None) == (tag_key is None or tag_values is None):
            raise UserErrorException("create_children() takes either a count, or a tag_key and tag_values")
        made = []
        for value in [None] * int(count) if count is not None else list(tag_values or ()):
            made.append(self.child_run())
            if tag_key is not None:
                made[-1].tag(tag_key, value)
        return made

    def get_children(
        self,
        recursive: bool = False,
        tags: Any = None,
        properties: Any = None,
        type: str | None = None,
        status: str | None = None,
        **ignored: Any,
    ) -> Iterator[Run]:
        """The runs that scripts have begun below it, those that fit: for tags and properties a name, or {name: value}.

        recursive   gives those below these as well
        """
        for child in children_of(self, self._children, self._step_run()):
            is_near = recursive or self._is_right_above(child._view(allow_old=True))
            if is_near and child._fits(tags, properties, type, status):
                yield child

    def start(self) -> None:
        """A run has begun when it is there, so this changes nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.complete()
        else:
            self.fail(f"{type(error).__name__}: {error}")

    @property
    def _children(self) -> str:
        """The route of those below it."""
        return f"{self._path}/children"

    def _step_run(self) -> Run:
        """The run of a step that is meant in the end."""
        return self

    def _is_right_above(self, view: dict[str, Any]) -> bool:
        return not is_child(view["parent"])


class ChildRun(Parent):
    """A run that a script has begun below that of its step. Run.child_run makes one, Run.get finds it again."""

    def __init__(self, experiment: Kept, view: dict[str, Any], step_run: Run) -> None:
        self._experiment = experiment
        self._id = str(view["id"])
        self._known = view
        self._above = step_run
        self._prefix = str(view["prefix"])

    @property
    def name(self) -> str:
        """The name that its script gave it."""
        return str(self._view(allow_old=True)["name"])

    @property
    def number(self) -> int:
        """0: it is not counted among the runs of its experiment."""
        return 0

    def complete(self, _set_status: bool = True) -> None:
        """Say that it has succeeded."""
        self._says("Completed")

    def fail(self, error_details: Any = None, error_code: Any = None, _set_status: bool = True) -> None:
        """Say that it has failed, and why. Its step's run does not fail by that."""
        said = ": ".join(str(part) for part in (error_code, error_details) if part)
        self._says("Failed", said[:_SAID_MAX])

    def cancel(self) -> None:
        """Say that it was given up. What its script does goes on."""
        self._says("Canceled")

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> dict[str, Any]:
        """Wait until it has ended, or its step has; its details. ActivityFailedException when it failed."""
        while self._view()["ended_at"] is None:
            time.sleep(_REST_S)
        view = self._view(allow_old=True)
        if view["run_status_v1"] == "Failed" and raise_on_error:
            error = view["error"] or {"code": "failed", "message": "The run failed"}
            said = json.dumps({"error": {"code": error["code"], "message": error["message"]}, "run": self.id}, indent=4)
            raise ActivityFailedException(f"Run {self.id} failed:\n{said}", said)
        return self.get_details()

    def get_file_names(self) -> list[str]:
        """Paths of its files."""
        begins = self._prefix
        return [path[len(begins) :] for path in self._above.get_file_names() if path.startswith(begins)]

    def download_file(self, name: str, output_file_path: Any = None, **ignored: Any) -> None:
        """Copy one of its files here, under its own name when no path is given."""
        self._above.download_file(self._prefix + name, output_file_path)

    def download_files(self, prefix: str | None = None, *args: Any, **options: Any) -> None:
        """Copy all its files whose paths begin with `prefix` below a folder, into one that has the run's name."""
        self._above.download_files(self._prefix + (prefix or ""), *args, **options)

    def _says(self, status: str, error: str = "") -> None:
        self._known = self._client.patch(self._route, {"status": status, "error": error})

    def _annotate(self, said: dict[str, Any]) -> None:
        if "display_name" in said:
            self._client.patch(self._route, {"name": said["display_name"]})
        parts = ("tags", "properties")
        news = {
            part: {self._prefix + key: value for key, value in said[part].items()} for part in parts if part in said
        }
        if news:
            self._above._annotate(news)
        self._known = None

    def _type_in(self, view: dict[str, Any]) -> str:
        return "azureml.scriptrun"

    def _model_source(self, path: str) -> dict[str, Any]:
        return self._above._model_source(self._prefix + path)

    def _recorder(self) -> Recorder:
        return _Below(self._above._recorder(), self._prefix)

    def _step_run(self) -> Run:
        return self._above

    def _is_right_above(self, view: dict[str, Any]) -> bool:
        return bool(view["parent"] == self.id)

    def _view(self, allow_old: bool = False) -> dict[str, Any]:
        if self._known is None or not allow_old:
            try:
                self._known = self._client.get(self._route)
            except NotFound as error:
                raise ExperimentExecutionException(error.message, error, error.code) from error
        assert self._known is not None
        return self._known

    @property
    def _path(self) -> str:
        return f"/runs/{quote(self._id)}"

    @property
    def _route(self) -> str:
        return f"/children/{quote(self._id)}"

    def __repr__(self) -> str:
        return f"ChildRun(Name: {self.name}, Id: {self.id})"


class _Below:
    """Keeps what is logged on a child where its step's run keeps it, under the child's name."""

    def __init__(self, above: Recorder, prefix: str) -> None:
        self._above = above
        self._prefix = prefix

    def add(self, points: list[dict[str, Any]]) -> None:
        """Keep metric points."""
        self._above.add([{**point, "name": self._prefix + point["name"]} for point in points])

    def points(self) -> list[dict[str, Any]]:
        """Those of the child alone."""
        begins = self._prefix
        found = [point for point in self._above.points() if point["name"].startswith(begins)]
        return [{**point, "name": point["name"][len(begins) :]} for point in found]

    def keep(self, name: str, content: IO[bytes]) -> None:
        """Keep a file."""
        self._above.keep(self._prefix + name, content)


def children_of(run: Run, route: str, step_run: Run | None = None) -> Iterator[ChildRun]:
    """The runs that scripts have begun below a run, at any depth, as a route lists them.

    step_run   of whose step they are; None for the run of a pipeline, where they are of several
    """
    for view in run._client.get(route):
        if step_run is None:
            yield run.experiment.workspace._run(view)
        else:
            yield ChildRun(run._experiment, view, step_run)
