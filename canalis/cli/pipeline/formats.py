"""Answers as az printed them with -o table and -o tsv: the values at their top, a line for each object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from canalis.cli import output

# Of what has them, a table shows these alone: addresses and hashes are for programs.
_TOLD = (
    "Id Name Version DefaultVersion NodeId StatusCode RunHistoryExperimentName ExperimentName EntityStatus "
    "TotalRunSteps PipelineId PipelineEndpointId ScheduleType CreatedDate"
).split()


def print_table(answer: Any) -> None:
    """The texts and numbers at the top of each object, under their names."""
    rows = [row | {"StatusCode": row["Status"]["StatusCode"]} if "Status" in row else row for row in _rows(answer)]
    there = dict.fromkeys(name for row in rows for name, value in row.items() if _is_plain(value))
    columns = tuple(name for name in _TOLD if name in there) or tuple(there)
    if columns:
        output.table(columns, [tuple(_text(row.get(name)) for name in columns) for row in rows])


def print_tsv(answer: Any) -> None:
    """The same without names, with tabs between them; what is no text and no number is empty."""
    for row in _rows(answer):
        print("\t".join(_text(value).replace("\t", " ").replace("\n", " ") for value in row.values()))


def _rows(answer: Any) -> Sequence[dict[str, Any]]:
    found = answer if isinstance(answer, list) else [] if answer is None else [answer]
    return [one if isinstance(one, dict) else {"Result": one} for one in found]


def _is_plain(value: Any) -> bool:
    return not isinstance(value, (dict, list)) and value is not None


def _text(value: Any) -> str:
    return str(value) if _is_plain(value) else ""
