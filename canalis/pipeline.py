"""A pipeline: steps and their order, as the author draws them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from canalis.absent import V1
from canalis.answers import accepted
from canalis.building import Draft, Drawn, Sketch, compute_names, raise_faults
from canalis.contract.faults import Fault, faults
from canalis.contract.graph import Graph
from canalis.contract.parameters import assign
from canalis.contract.run import new_run_id
from canalis.contract.value_faults import value_faults
from canalis.data import PipelineData
from canalis.dataset import OutputFileDatasetConfig
from canalis.pipeline_run import PipelineRun
from canalis.planning import PlannedStep
from canalis.published import PublishedPipeline, published_by
from canalis.steps import PipelineStep, StepSequence
from canalis.submission import plan_draft, send_sources, submit_draft
from canalis.within import Store, Within


class Pipeline(V1):
    """Steps that hand each other data, ready to be submitted.

    steps   a step, a list of steps, a StepSequence, nested as one likes; a list has no order. A PipelineData
            stands for the step that writes it
    Raises  ValueError naming every fault of the graph: a missing script, an unknown compute target, an input
            that no step writes... Nothing is uploaded before it is submitted. Cycles are told by validate() and
            when it is submitted, as in v1
    """

    def __init__(
        self,
        workspace: Within,
        steps: Any,
        description: str | None = None,
        default_datastore: Store | str | None = None,
        default_source_directory: str | Path | None = None,
        resolve_closure: bool = True,
        **kwargs: Any,
    ) -> None:
        if not hasattr(workspace, "_client"):
            raise ValueError(f"The workspace of a Pipeline must be a Workspace, not {workspace!r}")
        unknown = [name for name in kwargs if name != "enable_email_notification"]
        if unknown:
            raise ValueError(f"A Pipeline has no parameter {', '.join(unknown)}")
        given, order = _flatten(steps)
        draft = Draft(
            workspace=workspace,
            steps=_closure(given, order, resolve_closure),
            order=order,
            description=description or "",
            default_datastore=default_datastore
            if isinstance(default_datastore, str)
            else getattr(default_datastore, "name", None),
            default_source_directory=str(default_source_directory or "."),
        )
        self._take(draft, draft.description)
        found = [str(fault) for fault in self._faults() if fault.code != "cycle"]
        raise_faults([*draft.faults(), *found])

    def _take(self, draft: Drawn, description: str, name: str | None = None) -> None:
        self.workspace = draft.workspace
        self.description = description
        self._name = name
        self._experiment_name: str | None = None
        self._draft = draft
        self._graph = draft.graph()

    @staticmethod
    def load_yaml(workspace: Within, filename: str | Path, **kwargs: Any) -> Pipeline:
        """The pipeline that a YAML file describes, ready to be submitted or published.

        Paths in it are below the current folder, as in v1, or else beside the file.
        Raises   YamlInvalid, a ValueError, naming everything that is wrong with the file, each with its line
        """
        unknown = [name for name in kwargs if name not in ("_workflow_provider", "_service_endpoint")]
        if unknown:
            raise ValueError(f"load_yaml() of a pipeline has no parameter {', '.join(unknown)}")
        from canalis.pipeline_yaml import load

        read = load(workspace, Path(filename))
        made = Pipeline.__new__(Pipeline)
        made._take(Sketch(workspace, read.graph, read.folders), read.description, read.name)
        return made

    @property
    def graph(self) -> Graph:
        """The pipeline as a document, without its source files."""
        return self._graph

    @property
    def steps(self) -> list[PipelineStep]:
        """All its steps, those that were pulled in by their data included."""
        if not isinstance(self._draft, Draft):
            raise NotImplementedError("A pipeline that was read from YAML has no step objects; its steps are in .graph")
        return list(self._draft.steps)

    def validate(self) -> list[str]:
        """Everything that is wrong with it, in words; empty when it can be submitted."""
        computes, values = compute_names(self.workspace, self._graph), assign(self._graph.parameters, {})
        found = [str(fault) for fault in (*self._faults(), *value_faults(self._graph, values, computes))]
        if not found:
            print(f"The pipeline is valid: {len(self._graph.nodes)} steps")
        return found

    def _faults(self) -> list[Fault]:
        return faults(self._graph, compute_names(self.workspace, self._graph))

    def submit(
        self,
        experiment_name: str,
        pipeline_parameters: dict[str, Any] | None = None,
        continue_on_step_failure: bool = False,
        regenerate_outputs: bool = False,
        parent_run_id: str | None = None,
        credential_passthrough: bool | None = None,
        **kwargs: Any,
    ) -> PipelineRun:
        """Send the source files and start a run.

        pipeline_parameters   values that take the place of the parameters' defaults
        kwargs                tags; idempotency_key, which is not in v1: a call that comes again under it is one run
        Raises   UserErrorException for a fault of the graph or a wrong parameter, which is a ValueError too
        """
        old_name = kwargs.pop("pipeline_params", None)
        tags, key = kwargs.pop("tags", None), kwargs.pop("idempotency_key", None)
        if kwargs:
            raise ValueError(f"submit() of a pipeline has no parameter {', '.join(kwargs)}")
        run: PipelineRun = accepted(
            lambda: submit_draft(
                self._draft,
                experiment_name,
                parameters=pipeline_parameters if pipeline_parameters is not None else old_name,
                continue_on_step_failure=continue_on_step_failure,
                regenerate_outputs=regenerate_outputs,
                parent=parent_run_id,
                tags=tags,
                idempotency_key=key,
            )
        )
        return run

    def plan(
        self,
        experiment_name: str,
        pipeline_parameters: dict[str, Any] | None = None,
        regenerate_outputs: bool = False,
    ) -> list[PlannedStep]:
        """Which steps would run if this were submitted now, and why. Not in v1.

        A step is reused when nothing that it is made of has changed since some run has made it. Of each step that
        would run, `changes` names exactly the ingredients that did, with both values.
        Raises   as submit() does
        """
        return accepted(lambda: plan_draft(self._draft, experiment_name, pipeline_parameters, regenerate_outputs))

    def _submit_in(self, workspace: Within, experiment_name: str, **options: Any) -> PipelineRun:
        return self.submit(experiment_name, **options)

    def publish(
        self,
        name: str | None = None,
        description: str | None = None,
        version: str | None = None,
        continue_on_step_failure: bool | None = None,
        **kwargs: Any,
    ) -> PublishedPipeline:
        """Send the source files, and publish it: from then on others start it by its id or its address.

        Raises   ValueError for a fault of the graph
        """
        if kwargs:
            raise ValueError(f"publish() of a pipeline has no parameter {', '.join(kwargs)}")
        sent = send_sources(self._draft)
        body = {
            **sent.as_json(),
            "id": new_run_id(),
            "name": name if name is not None else self._name or "",
            "description": description if description is not None else self.description,
            "version": version or "",
            "continue_on_step_failure": continue_on_step_failure,
        }
        return published_by(self.workspace, body)

    def _set_experiment_name(self, name: str) -> None:
        self._experiment_name = name

    def __repr__(self) -> str:
        return f"Pipeline(steps={[node.name for node in self._graph.nodes]!r})"


Order = dict[PipelineStep, list[PipelineStep]]


def _flatten(steps: Any) -> tuple[list[PipelineStep], Order]:
    """The steps in what an author calls steps, and which must follow which because of a StepSequence."""
    found: list[PipelineStep] = []
    order: Order = {}
    _visit(steps, found, order)
    return list(dict.fromkeys(found)), order


def _visit(item: Any, found: list[PipelineStep], order: Order) -> list[PipelineStep]:
    if isinstance(item, PipelineStep):
        found.append(item)
        return [item]
    if isinstance(item, (PipelineData, OutputFileDatasetConfig)):
        writer = item._producer
        if not isinstance(writer, PipelineStep):
            raise ValueError(f"'{item.name}' stands for the step that writes it, but no step does")
        found.append(writer)
        return [writer]
    if isinstance(item, StepSequence):
        members: list[PipelineStep] = []
        before: list[PipelineStep] = []
        for element in item:
            group = _visit(element, found, order)
            for step in group:
                order.setdefault(step, []).extend(before)
            members += group
            before = group or before
        return members
    if isinstance(item, (list, tuple)):
        return [step for element in item for step in _visit(element, found, order)]
    raise NotImplementedError(f"{item!r} cannot be a step of a pipeline: use steps, lists of steps or a StepSequence")


def _closure(given: Iterable[PipelineStep], order: Order, resolve: bool) -> list[PipelineStep]:
    """The steps with all that they need: the writers of what they read, and the steps they run after."""
    found = dict.fromkeys(given)
    ahead = list(found)
    while ahead:
        step = ahead.pop()
        for needed in (*_writers(step), *step._after):
            if needed in found:
                continue
            if not resolve:
                raise ValueError(
                    f"Step '{step.name}' needs step '{needed.name}', which is not among the pipeline's steps"
                )
            found[needed] = None
            ahead.append(needed)
    return _in_order(list(found), order)


def _in_order(steps: list[PipelineStep], order: Order) -> list[PipelineStep]:
    """The steps so that each comes after those it waits for, else as they were given. Rings stay as they are."""
    position = {step: place for place, step in enumerate(steps)}
    after: dict[PipelineStep, list[PipelineStep]] = {step: [] for step in steps}
    waits = dict.fromkeys(steps, 0)
    for step in steps:
        before = {*_writers(step), *step._after, *order.get(step, ())} & position.keys()
        waits[step] = len(before)
        for earlier in before:
            after[earlier].append(step)
    ready = [position[step] for step in steps if not waits[step]]
    placed: dict[PipelineStep, None] = {}
    while ready:  # a heap, since the places are in order to begin with
        step = steps[heapq.heappop(ready)]
        placed[step] = None
        for later in after[step]:
            waits[later] -= 1
            if not waits[later]:
                heapq.heappush(ready, position[later])
    return [*placed, *(step for step in steps if step not in placed)]


def _writers(step: PipelineStep) -> list[PipelineStep]:
    writers = (getattr(port.what, "_producer", None) for port in step._wiring.inputs)
    return [writer for writer in writers if writer is not None]
