"""What runs are called in MLflow, whose ids know no dots and are 256 characters at most. Pure.

<run>                                a pipeline run, whose id has no _
<run>_<attempt>__<node>              the run of a step
<run>_<attempt>-<child>__<node>      a run that a script began below it
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from canalis.contract.errors import NotFound
from canalis.contract.run import RUN_ID, StepRunId, split_step_run_id

RUNS = "mlflow_runs"  # kind of the documents with what only MLflow knows of a run, by its id there
CHILD_CHARACTERS_MAX = 60
PARAMS = "params."  # before the name of a parameter of MLflow's among the properties of a run
_CHILD = r"(?:[0-9A-Za-z-]|_(?!_))+"
_STEP = re.compile(rf"([0-9a-z-]{{3,63}})_([0-9]{{1,3}})(?:-({_CHILD}))?__([0-9A-Za-z][0-9A-Za-z_-]{{0,79}})")
_NOT_IN_A_CHILD = re.compile(r"[^0-9A-Za-z_-]+")


@dataclass(frozen=True, slots=True)
class Named:
    """What an id of MLflow's names.

    run     of ours: the id of a pipeline run, or a step run's with its attempt
    child   the run that a script began below it; "" for the run itself
    """

    run: str
    child: str = ""


def mlflow_id(run: str, child: str = "") -> str:
    """What a run of ours, or one that was begun below it, is called in MLflow.

    >>> mlflow_id("7f3c"), mlflow_id("7f3c.train"), mlflow_id("7f3c.train.2", "trial_1")
    ('7f3c', '7f3c_1__train', '7f3c_2-trial_1__train')
    """
    step = StepRunId.parse(run)
    if step is None:
        assert not child, "below a pipeline run there are its steps"
        return run
    return f"{step.run_id}_{step.attempt}" + (f"-{child}" if child else "") + f"__{step.node}"


def named(identity: str) -> Named:
    """What an id of MLflow's, or one of ours, names. Raises NotFound for what has not the form of one.

    >>> named("7f3c_2-trial_1__train"), named("7f3c")
    (Named(run='7f3c.train.2', child='trial_1'), Named(run='7f3c', child=''))
    """
    if found := _STEP.fullmatch(identity):
        run, attempt, child, node = found.groups()
        return Named(f"{run}.{node}.{int(attempt)}", child or "")
    if RUN_ID.fullmatch(identity) or split_step_run_id(identity):
        return Named(identity)
    raise NotFound(f"There is no run {identity[:80]}", kind="run", name=identity[:80])


def is_child(identity: str) -> bool:
    """Whether an id is one of MLflow's, of a run that a script began.

    >>> is_child("7f3c_2-trial_1__train"), is_child("7f3c_2__train"), is_child("7f3c.train.2")
    (True, False, False)
    """
    found = _STEP.fullmatch(identity)
    return found is not None and found[3] is not None


def child_of(name: str) -> str:
    """What a run that a script calls so is called in ids, and in the names of its values; "" for no name.

    >>> child_of("trial 1"), child_of("lr=0.1__b"), child_of("__")
    ('trial-1', 'lr-0-1_b', '')
    """
    plain = re.sub("_+", "_", _NOT_IN_A_CHILD.sub("-", name))
    return plain.strip("-_")[:CHILD_CHARACTERS_MAX].strip("-_")
