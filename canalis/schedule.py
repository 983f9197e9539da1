"""Schedules: published pipelines that the clock starts, or data that changes.

Source   reference section 12
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from canalis.absent import V1
from canalis.answers import answered, is_there
from canalis.contract.errors import ScheduleInvalid
from canalis.contract.recurring import Recurrence
from canalis.contract.run import new_run_id
from canalis.pipeline_run import PipelineRun
from canalis.recurrence import Cron, ScheduleRecurrence
from canalis.run import listed
from canalis.scheduling import POLLING_MINUTES, Watch, changed_trigger, policies_of, terms_of, trigger_of
from canalis.submission import as_json, values_of
from canalis.within import Within


class Schedule(V1):
    """A published pipeline, or an endpoint, that the clock starts, or data that changes."""

    def __init__(self, workspace: Within, view: dict[str, Any]) -> None:
        self.workspace = workspace
        self._view = view

    @classmethod
    def create(
        cls,
        workspace: Within,
        name: str,
        pipeline_id: str,
        experiment_name: str,
        recurrence: ScheduleRecurrence | Cron | None = None,
        description: str | None = None,
        pipeline_parameters: dict[str, Any] | None = None,
        wait_for_provisioning: bool = False,
        wait_timeout: int = 3600,
        datastore: Any = None,
        polling_interval: int = POLLING_MINUTES,
        data_path_parameter_name: str | None = None,
        continue_on_step_failure: bool | None = None,
        path_on_datastore: str | None = None,
        **options: Any,
    ) -> Schedule:
        """A schedule of a published pipeline. Without a start time its first run is at once.

        datastore   or its name: a run starts for each file that is new, or is written again, in path_on_datastore,
                    looked for every `polling_interval` minutes; its path goes to the parameter of that name
        options     not in v1: missed ("skip", "last", "all") and missed_max, overlap ("allow", "skip", "queue"), and
                    of a datastore batch, quiet_minutes and subfolders (see docs/how-to/schedule-a-pipeline.md)
        Raises      ValueError for what cannot be a schedule; ErrorResponseException for a pipeline that is not there
        """
        watch = Watch(datastore, polling_interval, data_path_parameter_name, path_on_datastore)
        terms = terms_of(name, description, experiment_name, pipeline_parameters, continue_on_step_failure, options)
        body = terms | {"pipeline": str(pipeline_id), "trigger": trigger_of(recurrence, watch, options)}
        return cls._made(workspace, body)

    @classmethod
    def create_for_pipeline_endpoint(
        cls,
        workspace: Within,
        name: str,
        pipeline_endpoint_id: str,
        experiment_name: str,
        recurrence: ScheduleRecurrence | Cron | None = None,
        description: str | None = None,
        pipeline_parameters: dict[str, Any] | None = None,
        wait_for_provisioning: bool = False,
        wait_timeout: int = 3600,
        datastore: Any = None,
        polling_interval: int = POLLING_MINUTES,
        data_path_parameter_name: str | None = None,
        continue_on_step_failure: bool | None = None,
        path_on_datastore: str | None = None,
        **options: Any,
    ) -> Schedule:
        """A schedule of what is the default version of an endpoint at each time. The rest is as `create` has it."""
        watch = Watch(datastore, polling_interval, data_path_parameter_name, path_on_datastore)
        terms = terms_of(name, description, experiment_name, pipeline_parameters, continue_on_step_failure, options)
        body = terms | {"endpoint": str(pipeline_endpoint_id), "trigger": trigger_of(recurrence, watch, options)}
        return cls._made(workspace, body)

    @staticmethod
    def preview(
        workspace: Within,
        pipeline_id: str,
        recurrence: ScheduleRecurrence | Cron,
        count: int = 20,
    ) -> builtins.list[datetime]:
        """When a schedule with that recurrence would fire if it were made now, in UTC. Makes nothing. Not in v1."""
        trigger = trigger_of(recurrence, Watch(), {})
        body = {"experiment": "preview", "pipeline": str(pipeline_id), "trigger": trigger}
        found = answered(lambda: workspace._client.post("/schedules/preview", body, count=count))
        return _times(found["next"])

    @staticmethod
    def load_yaml(workspace: Within, filename: Any, **ignored: Any) -> dict[str, Any]:
        """The arguments of `create` that a YAML file names, with v1's defaults for the others.

        Raises   YamlInvalid or ScheduleInvalid, ValueErrors both, naming everything that is wrong with the file
        """
        from canalis.schedule_yaml import load_schedule_yaml

        found = load_schedule_yaml(workspace, filename)
        if found["recurrence"] is not None:
            try:
                found["recurrence"] = ScheduleRecurrence(**found["recurrence"])
            except ValueError as error:
                raise ScheduleInvalid("\n".join(f"{filename}: {fault}" for fault in str(error).splitlines())) from error
        return found

    @classmethod
    def get(cls, workspace: Within, id: str, **ignored: Any) -> Schedule:
        """The schedule of that id. ErrorResponseException when there is none."""
        return cls(workspace, answered(lambda: workspace._client.get(f"/schedules/{quote(id, safe='')}")))

    @classmethod
    def get_schedule(cls, workspace: Within, id: str, **ignored: Any) -> Schedule:
        """The same as `get`, by its name of before."""
        return cls.get(workspace, id)

    @classmethod
    def exists(cls, workspace: Within, id: str) -> bool:
        """Whether there is a schedule of that id. Not in v1."""
        return is_there(lambda: workspace._client.get(f"/schedules/{quote(id, safe='')}"))

    @classmethod
    def list(
        cls,
        workspace: Within,
        active_only: bool = True,
        pipeline_id: str | None = None,
        pipeline_endpoint_id: str | None = None,
        **ignored: Any,
    ) -> builtins.list[Schedule]:
        """The schedules of the workspace, newest first; those of a pipeline or of an endpoint when one is named."""
        views = workspace._client.get(
            "/schedules", active_only=active_only, pipeline=pipeline_id, endpoint=pipeline_endpoint_id
        )
        return [cls(workspace, view) for view in views]

    @classmethod
    def get_all(cls, workspace: Within, active_only: bool = True, **named: Any) -> builtins.list[Schedule]:
        """The same as `list`, by its name of before."""
        return cls.list(workspace, active_only, **named)

    @classmethod
    def get_schedules_for_pipeline_id(
        cls, workspace: Within, pipeline_id: str, **ignored: Any
    ) -> builtins.list[Schedule]:
        """All schedules of a published pipeline."""
        return cls.list(workspace, active_only=False, pipeline_id=pipeline_id)

    @classmethod
    def get_schedules_for_pipeline_endpoint_id(
        cls, workspace: Within, pipeline_endpoint_id: str, **ignored: Any
    ) -> builtins.list[Schedule]:
        """All schedules of an endpoint."""
        return cls.list(workspace, active_only=False, pipeline_endpoint_id=pipeline_endpoint_id)

    @property
    def id(self) -> str:
        """Its id."""
        return str(self._view["id"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._view["name"])

    @property
    def description(self) -> str:
        """What it is for."""
        return str(self._view["description"])

    @property
    def status(self) -> str:
        """Active or Disabled."""
        return str(self._view["status"])

    @property
    def pipeline_id(self) -> str | None:
        """The published pipeline that it starts; None when it starts an endpoint."""
        found: str | None = self._view["pipeline"]
        return found

    @property
    def pipeline_endpoint_id(self) -> str | None:
        """The endpoint that it starts; None when it starts a pipeline."""
        found: str | None = self._view["endpoint"]
        return found

    @property
    def experiment_name(self) -> str:
        """The experiment that its runs belong to."""
        return str(self._view["experiment"])

    @property
    def recurrence(self) -> ScheduleRecurrence | Cron | None:
        """When it fires; None when it watches a datastore."""
        trigger = self._view["trigger"]
        if trigger["kind"] == "cron":
            return Cron(trigger["expression"], trigger["time_zone"])
        return ScheduleRecurrence._of(Recurrence.model_validate(trigger)) if trigger["kind"] == "recurrence" else None

    @property
    def datastore_name(self) -> Any:
        """The datastore that it watches; None when it watches none."""
        return self._watched("datastore")

    @property
    def path_on_datastore(self) -> Any:
        """The folder that it watches there; None when it watches none."""
        return self._watched("path")

    @property
    def polling_interval(self) -> Any:
        """Minutes between two looks at it; None when it watches none."""
        return self._watched("polling_minutes")

    @property
    def data_path_parameter_name(self) -> Any:
        """The parameter that gets the path of what has changed; None when it watches none."""
        return self._watched("parameter")

    @property
    def continue_on_step_failure(self) -> bool | None:
        """Whether steps that do not depend on one that failed still run; None as the pipeline was published."""
        found: bool | None = self._view["continue_on_step_failure"]
        return found

    @property
    def pipeline_parameters(self) -> dict[str, Any]:
        """The values that its runs get."""
        return dict(self._view["parameters"])

    def next_runs(self, count: int = 20) -> builtins.list[datetime]:
        """When it fires next, in UTC; nothing while it is disabled. Not in v1."""
        return _times(answered(lambda: self.workspace._client.get(self._path, count=count))["next"])

    def get_firings(self, limit: int = 50) -> builtins.list[dict[str, Any]]:
        """What became of its last ticks, newest first: runs that it started, what was missed, and why. Not in v1."""
        found: builtins.list[dict[str, Any]] = self.workspace._client.get(f"{self._path}/firings", limit=limit)
        return found

    def update(
        self,
        name: str | None = None,
        description: str | None = None,
        recurrence: ScheduleRecurrence | Cron | None = None,
        pipeline_parameters: dict[str, Any] | None = None,
        status: str | None = None,
        wait_for_provisioning: bool | None = None,
        wait_timeout: int | None = None,
        datastore: Any = None,
        polling_interval: int | None = None,
        data_path_parameter_name: str | None = None,
        continue_on_step_failure: bool | None = None,
        path_on_datastore: str | None = None,
        **options: Any,
    ) -> None:
        """Change it; what is not given stays. With another recurrence it counts from now on and starts none at once."""
        watch = Watch(datastore, polling_interval, data_path_parameter_name, path_on_datastore)
        said = {
            "name": name,
            "description": description,
            "parameters": None if pipeline_parameters is None else as_json(values_of(pipeline_parameters)),
            "status": status,
            "continue_on_step_failure": continue_on_step_failure,
            "trigger": changed_trigger(self._view["trigger"], recurrence, watch, options),
            **policies_of(options),
        }
        self._change(**{key: value for key, value in said.items() if value is not None})

    def enable(self, wait_for_provisioning: bool = False, wait_timeout: int = 3600) -> None:
        """Let it start runs, from the next tick on; what it would have started meanwhile is not made up for."""
        self._change(status="Active")

    def disable(self, wait_for_provisioning: bool = False, wait_timeout: int = 3600) -> None:
        """Let it start nothing until it is enabled again. Runs under way go on."""
        self._change(status="Disabled")

    def activate(self, **ignored: Any) -> None:
        """The same as `enable`, by its name of before."""
        self.enable()

    def delete(self) -> None:
        """Delete it; its runs stay. Not in v1."""
        answered(lambda: self.workspace._client.delete(self._path))

    def get_pipeline_runs(self) -> builtins.list[PipelineRun]:
        """The runs that it has started, newest first."""
        return [*self._runs()]

    def get_last_pipeline_run(self) -> PipelineRun | None:
        """The run that it has started last; None when it has started none."""
        return next(self._runs(), None)

    def wait_for_provisioning(self, **ignored: Any) -> None:
        """Nothing: a schedule can be used as soon as it is made."""

    def _runs(self) -> Iterator[PipelineRun]:
        yield from listed(self.workspace, schedule=self.id)

    def _watched(self, name: str) -> Any:
        trigger = self._view["trigger"]
        return trigger[name] if trigger["kind"] == "changes" else None

    def _change(self, **said: Any) -> None:
        self._view = answered(lambda: self.workspace._client.patch(self._path, said))

    @classmethod
    def _made(cls, workspace: Within, body: dict[str, Any]) -> Schedule:
        view = answered(lambda: workspace._client.post("/schedules", body | {"id": new_run_id()}))
        made = cls(workspace, view)
        for warning in view["warnings"]:
            print(f"Schedule '{made.name}': {warning}")
        return made

    @property
    def _path(self) -> str:
        return f"/schedules/{self.id}"

    def __repr__(self) -> str:
        what = f"Pipeline Id: {self.pipeline_id}" if self.pipeline_id else f"Endpoint Id: {self.pipeline_endpoint_id}"
        return f"Schedule(Name: {self.name}, Id: {self.id}, Status: {self.status}, {what})"


def _times(seconds: builtins.list[float]) -> builtins.list[datetime]:
    return [datetime.fromtimestamp(at, UTC) for at in seconds]
