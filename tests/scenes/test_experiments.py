"""Experiments: tagged, put away, and used again."""

from __future__ import annotations

import pytest

from canalis import Experiment
from canalis.exceptions import UserErrorException


def test_an_experiment_is_tagged_archived_and_active_again_once_it_is_used(author, ws):
    experiment = Experiment(ws, "put-away")
    experiment.tag("area", "north")
    experiment.set_tags({"year": 2026, "old": ""})
    experiment.remove_tags(["old"])
    assert Experiment(ws, "put-away").tags == {"area": "north", "year": "2026"}
    names = lambda **wanted: [found.name for found in Experiment.list(ws, **wanted)]  # noqa: E731
    assert names(tags={"area": "north"}) == ["put-away"] and names(tags={"area": "south"}) == []

    experiment.archive()
    experiment.archive()
    put_away_at = experiment.archived_time
    assert put_away_at is not None and experiment.tags["area"] == "north"
    assert "put-away" not in names() and "put-away" not in ws.experiments
    assert names(view_type="ArchivedOnly") == names(experiment_name="put-away", view_type="All") == ["put-away"]
    experiment.reactivate()
    assert experiment.archived_time is None and "put-away" in names() and names(view_type="ArchivedOnly") == []

    experiment.archive()
    run = author.runs(author.step("prep"), experiment="put-away")
    assert run.number == 1 and "put-away" in ws.experiments and experiment.tags["area"] == "north"
    with pytest.raises(UserErrorException, match="view_type is ActiveOnly, ArchivedOnly or All"):
        Experiment.list(ws, view_type="old")
    with pytest.raises(UserErrorException, match="cannot be given another name"):
        experiment.reactivate("other")
