"""Whether the service can be used: a word for everybody, the reasons for those who may read, at little cost."""

from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from api import health
from api.access import Caller, KeptToken, Role
from api.app import make_app
from canalis.contract.errors import NotAllowed, StoreUnavailable
from canalis.contract.health import Check, checked, clock_trouble
from tests.api.conftest import TOKEN, Client


def over(app, checks) -> Client:
    service = dataclasses.replace(app.state.service, checks=checks)
    return Client(make_app(service, KeptToken(TOKEN, "me")))


def test_a_service_without_trouble_is_ready_and_says_so_to_anybody(app):
    answer = Client(app, token=None)("GET", "/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    assert answer.headers["cache-control"] == "no-store"
    found = Client(app)("GET", "/health/details").json()
    assert found["status"] == "ready"
    assert found["checks"] == [{"name": "service", "ok": True, "trouble": ""}]


def test_only_who_may_read_hears_what_is_wrong(app):
    words = "The app's identity lacks 'Storage Table Data Contributor' on the account: assign it"
    ask = over(app, lambda: [Check("tables", words), Check("bus")])
    stranger = Client(ask._app, token=None)
    answer = stranger("GET", "/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready"})
    assert "Storage" not in answer.text
    assert stranger("GET", "/health/details").status_code == 401
    found = ask("GET", "/health/details")
    assert found.status_code == 200, "it is the answer that is asked for, not the service"
    assert found.json()["status"] == "not ready"
    assert found.json()["checks"] == [
        {"name": "tables", "ok": False, "trouble": words},
        {"name": "bus", "ok": True, "trouble": ""},
    ]


def test_one_who_may_nothing_is_refused_the_details(app):
    class Nobody(KeptToken):
        def caller(self, request):
            return Caller(super().caller(request).name, Role.NOBODY)

    ask = Client(make_app(app.state.service, Nobody(TOKEN, "nobody")))
    assert ask("GET", "/health/details").status_code == 403
    assert ask("GET", "/ready").status_code == 200


def test_however_many_ask_the_service_looks_once_in_a_while(app):
    looks = []

    def checks() -> list[Check]:
        looks.append(time.monotonic())
        time.sleep(0.2)
        return [Check("tables")]

    passed = [100.0]
    checkup = health.Checkup(checks, lambda: passed[0])
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda number: checkup.look(), range(200)))
    assert len(looks) == 1 and all(one == ([Check("tables")], 0.0) for one in found)
    passed[0] += health.KEPT_S - 0.1
    assert checkup.look()[1] == pytest.approx(health.KEPT_S - 0.1) and len(looks) == 1
    passed[0] += 0.1
    assert checkup.look()[1] == 0.0 and len(looks) == 2


def test_while_somebody_looks_the_others_hear_what_was_known_until_that_is_too_old():
    gate, entered = threading.Event(), threading.Event()
    passed, answers = [100.0], iter([lambda: [Check("a")], lambda: (entered.set(), gate.wait(10), [Check("b")])[2]])
    checkup = health.Checkup(lambda: next(answers)(), lambda: passed[0])
    assert checkup.look()[0] == [Check("a")]
    passed[0] += health.KEPT_S
    stuck = threading.Thread(target=checkup.look)
    stuck.start()
    assert entered.wait(5)
    assert checkup.look(wait_s=0.05)[0] == [Check("a")]
    passed[0] += 60
    (said,) = checkup.look(wait_s=0.05)[0]
    assert "has not ended" in said.trouble and not said.is_ok
    gate.set()
    stuck.join()
    assert checkup.look()[0] == [Check("b")] or checkup.look()[0][0].name == "checks"


def test_a_check_that_fails_is_trouble_in_words_without_secrets(app):
    def refused() -> str:
        raise StoreUnavailable("403 at https://a.blob.core.windows.net/?sig=c2VjcmV0cw\nforged")

    def ours() -> str:
        raise KeyError("AccountKey=c2VjcmV0cw")

    ask = over(app, lambda: [checked("blobs", refused), checked("clock", ours), checked("bus", lambda: None)])
    blobs, clock, bus = ask("GET", "/health/details").json()["checks"]
    assert blobs["trouble"] == "403 at https://a.blob.core.windows.net/?sig=***\\nforged"
    assert "KeyError" in clock["trouble"] and "c2VjcmV0cw" not in str(clock)
    assert bus["ok"]


def test_checks_that_cannot_even_be_made_are_not_ready(app):
    def broken() -> list[Check]:
        raise NotAllowed("no token for the namespace")

    ask = over(app, broken)
    assert ask("GET", "/ready").status_code == 503
    assert ask("GET", "/health/details").json()["checks"] == [
        {"name": "checks", "ok": False, "trouble": "no token for the namespace"}
    ]


def test_a_clock_that_is_wrong_is_told_with_the_way_it_is_wrong():
    assert clock_trouble(1000.0, 1010.0, "the storage account") == ""
    assert "120 s ahead of that of the storage account" in clock_trouble(1120.0, 1000.0, "the storage account")
    assert "90 s behind" in clock_trouble(910.0, 1000.0, "the storage account")
