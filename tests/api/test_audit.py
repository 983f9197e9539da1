"""The record of changes: who, what, when, from where."""

from __future__ import annotations

import time

from canalis.contract.errors import StoreFull
from tests.api.conftest import a_run
from tests.api.test_who_may import world  # noqa: F401  a service with somebody for each role


def test_every_change_is_kept_with_who_what_when_and_from_where(ask):
    run = a_run(ask)
    ask("POST", f"/runs/{run['id']}/cancel")
    ask("POST", "/runs", json={"experiment": "-"})
    ask("GET", f"/runs/{run['id']}")

    cancelled, submitted = ask("GET", "/audit").json()

    assert (cancelled["who"], cancelled["role"], cancelled["name"]) == ("me", "admin", run["id"])
    assert (cancelled["method"], cancelled["route"], cancelled["status"]) == ("POST", "/runs/{name}/cancel", 202)
    assert abs(time.time() - cancelled["at"]) < 60 and cancelled["client"] == "127.0.0.1"
    assert (submitted["route"], submitted["made"]) == ("/runs", run["id"])


def test_changes_are_paged_newest_first(ask):
    for number in range(5):
        ask("PUT", f"/experiments/e{number}")
    first = ask("GET", "/audit?limit=2").json()
    rest = ask("GET", f"/audit?before={first[-1]['at']}").json()
    assert [one["name"] for one in (*first, *rest)] == ["e4", "e3", "e2", "e1", "e0"]
    assert ask("GET", "/audit?limit=0").status_code == 400


def test_what_asks_with_a_body_and_changes_nothing_is_not_in_it(ask):
    run = a_run(ask)["id"]
    published = ask("POST", "/pipelines", json={"run": run, "name": "train"}).json()["id"]
    before = ask("GET", "/audit").json()
    trigger = {"kind": "cron", "expression": "0 2 * * *"}
    asked = {"experiment": "e", "pipeline": published, "trigger": trigger}
    assert ask("POST", "/schedules/preview", json=asked).status_code == 200
    assert ask("GET", "/audit").json() == before


def test_scripts_and_readers_do_not_see_it_and_what_scripts_log_is_not_in_it(world):  # noqa: F811
    for role, client in world.people.items():
        assert client("GET", "/audit").status_code == (200 if role.name in ("OPERATOR", "ADMIN") else 403)
    before = len(world.admin("GET", "/audit?limit=1000").json())
    point = {"id": "9", "time": 1.0, "name": "x", "kind": "scalar", "value": 1}
    assert world.step("POST", "/runs/run-mine.a/metrics", json=[point]).status_code == 204
    assert world.step("GET", "/audit").status_code == 403
    assert len(world.admin("GET", "/audit?limit=1000").json()) == before


def test_a_change_that_was_made_is_not_told_otherwise_when_its_record_cannot_be_kept(app, ask, caplog):
    service = app.state.service
    blobs = service.ports.blobs

    class Full:
        def __getattr__(self, name):
            return getattr(blobs, name)

        def append(self, key, data):
            raise StoreFull("no room")

    app.state.service = type(service)(
        **{name: getattr(service, name) for name in service.__slots__}
        | {"ports": service.ports.with_changes(blobs=Full())}
    )
    assert ask("PUT", "/experiments/e").status_code == 200
    assert "in this log alone" in caplog.text
    assert ask("GET", "/experiments").json()[0]["name"] == "e"


def test_a_line_that_a_crash_has_cut_hides_no_other(app, ask):
    ask("PUT", "/experiments/e")
    (day,) = app.state.service.ports.blobs.list("audit/")
    app.state.service.ports.blobs.append(day.key, b'{"at": 17')
    app.state.service.ports.blobs.append(day.key, b'\n[1]\n{"at": "x"}\n')
    assert [one["name"] for one in ask("GET", "/audit").json()] == ["e"]
