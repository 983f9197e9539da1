"""What is known of a run, in the shape of v1's get_details().

Source   reference section 13
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def details_of(view: dict[str, Any], log_files: dict[str, str]) -> dict[str, Any]:
    """The details of the run or step that a view describes."""
    error = view.get("error")
    return {
        "runId": view["id"],
        "target": view.get("compute") or "local",
        "status": view["run_status_v1"],
        "startTimeUtc": _iso(view["submitted_at"] if view["kind"] == "pipeline" else view["started_at"]),
        "endTimeUtc": _iso(view.get("ended_at")),
        "error": {"error": {"code": error["code"], "message": error["message"]}} if error else None,
        "warnings": None,
        "properties": view["properties"],
        "inputDatasets": [],
        "outputDatasets": [],
        "runDefinition": None,
        "logFiles": log_files,
        "submittedBy": view.get("submitted_by", ""),
    }


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
