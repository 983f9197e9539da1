"""What a deployed service costs, worked out from counted operations and assumed prices. Pure.

Source   prices and counts: infra/plan.json; the operations of a step are those that tests/azure/test_budget.py counts
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HOURS = 730  # of a month, as Azure's price pages count them
STEPS = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a bill.

    formula   how it comes about, in numbers
    usd       US dollars a month when idle, or for a thousand steps
    """

    what: str
    formula: str
    usd: float


def idle(plan: Mapping[str, Any], profile: str, alerts: bool = True) -> list[Line]:
    """What a month costs in which nothing runs. Free grants are not taken off, but that of the bus is in its price."""
    price, count = plan["prices"], plan["counts"]
    sweeps = HOURS * 3600 / count["sweep_every_s"]
    swept_gb_s = sweeps * count["least_billed_s"] * count["instance_gb"]
    lines = [
        Line(
            "the bus, Standard, whatever is sent",
            f"{HOURS} h x {price['bus_per_hour']}",
            HOURS * price["bus_per_hour"],
        ),
        Line(
            f"the timer, every {count['sweep_every_s']} s",
            f"{sweeps:.0f} x {count['least_billed_s']} s x {count['instance_gb']} GB x {price['demand_per_gb_s']:f}"
            f" + executions",
            swept_gb_s * price["demand_per_gb_s"] + sweeps * price["executions_per_million"] / 1e6,
        ),
        Line(
            "table operations of the timer",
            f"{sweeps:.0f} x {count['sweep_table_operations']} x {price['tables_per_10000']} / 10,000",
            sweeps * count["sweep_table_operations"] * price["tables_per_10000"] / 1e4,
        ),
    ]
    ready = count["ready_instances"][profile]
    if ready:
        lines.append(
            Line(
                f"{ready} instances that are always ready",
                f"{ready} x {count['instance_gb']} GB x {HOURS * 3600} s x {price['ready_per_gb_s']:f}",
                ready * count["instance_gb"] * HOURS * 3600 * price["ready_per_gb_s"],
            )
        )
    if alerts:
        series = count["alert_series"]
        lines.append(
            Line("alerts", f"{series} series x {price['alert_per_series']}", series * price["alert_per_series"])
        )
    return lines


def of_steps(plan: Mapping[str, Any], profile: str, script_s: float | None = None) -> list[Line]:
    """What a thousand steps cost beyond that, each within an instance of its own.

    script_s   how long a step's script takes; that of the plan's counts when None
    """
    price, count = plan["prices"], plan["counts"]
    seconds = (count["script_s"] if script_s is None else script_s) + count["least_billed_s"]
    gb, least = count["instance_gb"], count["least_billed_s"]
    news = price["ready_active_per_gb_s"] if count["ready_instances"][profile] else price["demand_per_gb_s"]
    sent, each = count["messages_per_step"], count["bus_operations_per_message"]
    # What it is, how many of it a step has, in words and as a number, and the price of one.
    rows: list[tuple[str, str, float, float]] = [
        ("the scripts, and a second around each", f"{seconds:g} s x {gb} GB", seconds * gb, price["demand_per_gb_s"]),
        ("carrying the news of their ends", f"{least} s x {gb} GB", least * gb, news),
        ("bus operations", f"{sent} messages x {each}", sent * each, price["bus_per_million"] / 1e6),
        ("logs", f"{count['log_bytes_per_step'] / 1e9:f} GB", count["log_bytes_per_step"] / 1e9, price["logs_per_gb"]),
    ]
    for what, counted, usd in (
        ("executions", "executions_per_step", price["executions_per_million"] / 1e6),
        ("table operations", "table_operations_per_step", price["tables_per_10000"] / 1e4),
        ("blob writes", "blob_writes_per_step", price["blob_writes_per_10000"] / 1e4),
        ("blob reads", "blob_reads_per_step", price["blob_reads_per_10000"] / 1e4),
    ):
        rows.append((what, f"{count[counted]}", count[counted], usd))
    return [Line(what, f"{STEPS} x {said} x {usd:.3g}", STEPS * number * usd) for what, said, number, usd in rows]


def watching(plan: Mapping[str, Any]) -> Line:
    """What an hour costs in which a run is open: it is looked after every so often, by a call of its own."""
    price, count = plan["prices"]["demand_per_gb_s"], plan["counts"]
    looks, least, gb = 3600 // count["look_every_s"], count["least_billed_s"], count["instance_gb"]
    return Line("looks after open runs", f"{looks} x {least} s x {gb} GB x {price:.3g}", looks * least * gb * price)


def total(lines: list[Line]) -> float:
    """US dollars of all of them."""
    return sum(line.usd for line in lines)
