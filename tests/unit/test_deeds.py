"""The record of changes, in words."""

from __future__ import annotations

import pytest

from canalis.cli.audit import deed


@pytest.mark.parametrize(
    ("method", "route", "said"),
    [
        ("POST", "/runs", "started a run"),
        ("POST", "/runs/{name}/cancel", "cancelled a run"),
        ("DELETE", "/PipelineRuns/{name}/Execution", "cancelled a run"),
        ("POST", "/PipelineRuns/PipelineSubmit/{pipeline}", "started a run by v1's contract"),
        ("POST", "/endpoints/{identity}/runs", "started a run of an endpoint"),
        ("PUT", "/endpoints/{identity}/versions/{pipeline}", "added a version to an endpoint"),
        ("PUT", "/Schedules/{identity}/status", "changed a schedule"),
        ("POST", "/webhooks", "made a webhook"),
        ("POST", "/webhooks/{identity}/test", "tested a webhook"),
        ("POST", "/submissions", "put a message on the queue"),
        ("POST", "/queues/{name}/receive", "took messages from a queue"),
        ("DELETE", "/computes/{name}", "deleted a compute target"),
        ("PUT", "/datastores/{name}/files/{path}", "PUT /datastores/{name}/files/{path}"),
    ],
)
def test_a_change_is_told_in_words(method, route, said):
    assert deed({"method": method, "route": route}) == said


def test_what_a_schedule_did_is_told_though_nobody_sent_a_request():
    assert deed({"who": "schedule nightly", "route": "tick", "name": "7f3c", "made": "0b1f"}) == "started a run"
