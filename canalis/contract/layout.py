"""Where things lie in the blob store: one key for each idea, so that writers and readers cannot disagree.

graphs/<id>                              a graph document
content/<2 hex>/<sha-256>                a source file, under the hash of its bytes
incoming/<place>/<sha-256>               the same, sent past the service and not seen by it yet
snapshots/<id>                           which source files make a snapshot
artifacts/<run>/<node>/...               files of a step for people: user_logs/, outputs/, logs/, uploads
records/<run>/<node>/...                 what the service keeps beside them: metrics, exit, context

A later attempt has <node>.<attempt> in the place of <node>.
"""

from __future__ import annotations

from canalis.contract.run import StepRunId

STEP_LOG = "user_logs/std_log.txt"
ENVIRONMENT_LOG = "azureml-logs/20_image_build_log.txt"  # as v1 called that of an image
METRICS = "metrics.jsonl"
KEPT_FOLDERS = ("outputs", "logs")  # of the working folder: what a script leaves there is kept with its run
MADE_OF = "made_of.json"  # of a run itself: what each of its steps is made of, and why it runs or does not
UNWRITTEN = "unwritten.json"  # names of the outputs that a step left empty when it succeeded; no file: none
SECRETS_READ = "secrets_read"  # grows by a byte before the script of a step reads a secret
RUN_ITSELF = "_run"  # takes a node's place for what belongs to the pipeline run; no node key begins with _


def graph_key(graph_id: str) -> str:
    """Of a graph document."""
    return f"graphs/{graph_id}"


def content_key(sha256: str) -> str:
    """Of a source file's bytes."""
    return f"content/{sha256[:2]}/{sha256}"


def incoming_key(place: str, sha256: str) -> str:
    """Of a source file that somebody was given a place to send to."""
    return f"incoming/{place}/{sha256}"


def snapshot_key(snapshot_id: str) -> str:
    """Of a snapshot's list of files."""
    return f"snapshots/{snapshot_id}"


def artifacts(owner: StepRunId) -> str:
    """Prefix of a step attempt's files, with the closing slash."""
    return f"artifacts/{owner.run_id}/{_attempt(owner)}/"


def records(owner: StepRunId) -> str:
    """Prefix of what the service keeps on a step attempt, with the closing slash."""
    return f"records/{owner.run_id}/{_attempt(owner)}/"


def of_run(run_id: str) -> StepRunId:
    """The owner under which the pipeline run's own artifacts and metrics lie."""
    return StepRunId(run_id, RUN_ITSELF)


def _attempt(owner: StepRunId) -> str:
    return owner.node if owner.attempt == 1 else f"{owner.node}.{owner.attempt}"
