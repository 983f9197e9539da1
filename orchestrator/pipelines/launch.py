"""A published pipeline starts: the one way that HTTP, schedules and messages on the queue all take."""

from __future__ import annotations

from collections.abc import Mapping

from canalis.contract.errors import Disabled
from canalis.contract.ports import Ports, Run
from canalis.contract.published import Published
from canalis.contract.run import OWN, ComputeChoice, Origin, Reply
from orchestrator.pipelines.publish import graph_of
from orchestrator.submit import Asked, Behind, Submission, submit


class Launch(Asked):
    """How a published pipeline is to be started.

    continue_on_step_failure   None does as the pipeline was published
    """

    continue_on_step_failure: bool | None = None


def launch(
    ports: Ports,
    pipeline: Published,
    asked: Launch,
    computes: Mapping[str, ComputeChoice],
    by: str = "",
    origin: Origin = OWN,
    fingerprint: str = "",
    reply: Reply | None = None,
    announce: bool = False,
) -> Run:
    """Start a run of a published pipeline. On return it outlives any crash.

    computes      what each compute target is just now, "" for steps that name none
    origin        what else it is started from: an endpoint, a schedule
    fingerprint   of all that was asked for under an idempotency key
    reply         where who asked for it wants to hear of its end
    announce      whether somebody may want to hear of it of whom nothing is on record yet
    Returns       the run as it is now: with a run_id that was asked for before, that run
    Raises        Disabled, and what `submit` raises
    """
    if pipeline.status == "Disabled":
        raise Disabled(
            f"Published pipeline '{pipeline.name or pipeline.id}' is disabled: enable it to start it again",
            kind="pipeline",
            name=pipeline.id,
        )
    given = asked.model_dump(exclude={"parameters", "continue_on_step_failure", "description", "properties"})
    continues = asked.continue_on_step_failure
    submission = Submission(
        **given,
        graph=graph_of(ports, pipeline),
        parameters=pipeline.parameters | asked.parameters,
        continue_on_step_failure=pipeline.continue_on_step_failure if continues is None else continues,
        description=asked.description or pipeline.description,
        properties=pipeline.properties | asked.properties,
        interpreter=pipeline.interpreter,
    )
    origin = origin.model_copy(update={"pipeline": pipeline.id})
    return submit(ports, submission, computes, by, Behind(pipeline.graph, origin, fingerprint, reply, announce))
