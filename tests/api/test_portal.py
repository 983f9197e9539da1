"""What the portal's page rests on: its files, signing in with a browser, and routes that cost little to ask again."""

from __future__ import annotations

import re
import time

import pytest

from api.portal import _FOLDER
from canalis.contract import run_token, sign_ins
from canalis.contract.messages import StepEnded
from canalis.contract.status import Outcome
from orchestrator.advance import advance
from tests.api.conftest import TOKEN, Client, a_run


@pytest.fixture
def stranger(app):
    return Client(app, token=None)


# --- files


def test_the_page_comes_under_a_policy_that_lets_no_script_of_others_run(stranger):
    answer = stranger("GET", "http://test/")
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert (
        policy["require-trusted-types-for"] == "'script'" and "unsafe" not in answer.headers["content-security-policy"]
    )
    assert answer.headers["x-frame-options"] == "DENY" and answer.headers["x-content-type-options"] == "nosniff"
    for address in re.findall(r'(?:src|href)="(/[^"]+)"', answer.text):
        assert stranger("GET", f"http://test{address}").status_code == 200, address
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", answer.text)


def test_nothing_but_the_portals_own_files_is_given(stranger):
    for path in (
        "nothing.js",
        "../local_app.py",
        "..%2Flocal_app.py",
        "%2e%2e/api/app.py",
        "/etc/passwd",
        "vendor",
        "",
    ):
        answer = stranger("GET", f"http://test/portal/{path}")
        assert answer.status_code == 404 and answer.json()["error"]["code"] == "not_found", path


def test_a_file_that_the_browser_has_is_not_sent_again(stranger):
    first = stranger("GET", "http://test/portal/app.js")
    assert first.headers["content-type"].startswith("text/javascript")
    again = stranger("GET", "http://test/portal/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_no_script_of_the_portal_makes_markup_of_a_text():
    scripts = [path for path in _FOLDER.rglob("*.js") if "vendor" not in path.parts]
    assert len(scripts) > 10
    for path in scripts:
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", path.read_text()
        ), path
        assert len(path.read_text().splitlines()) <= 350, path
    assert sum(path.stat().st_size for path in _FOLDER.rglob("*") if path.is_file()) < 400_000


# --- signing in


def test_a_code_lets_one_browser_in_as_who_asked_for_it(ask, app, stranger):
    offered = ask("POST", "/sign-ins").json()
    assert offered["path"] == f"/#/sign-in?code={offered['code']}", "behind #, which no browser sends"
    session = stranger("POST", "/sessions", json={"code": offered["code"]}).json()
    assert (session["name"], session["role"]) == ("me", "admin") and session["expires_at"] > time.time() + 3600
    assert Client(app, session["token"])("GET", "/me").json()["name"] == "me"
    again = stranger("POST", "/sessions", json={"code": offered["code"]})
    assert (again.status_code, again.json()["error"]["code"]) == (401, "not_allowed")
    assert "canalis open" in again.json()["error"]["message"]


def test_codes_that_are_wrong_or_old_let_nobody_in(ask, app, stranger):
    code = ask("POST", "/sign-ins").json()["code"]
    documents = app.state.service.ports.documents
    (kept,) = documents.list("sign_ins")
    assert code not in kept.name and code not in str(kept.body), "who reads the storage cannot sign in with it"
    documents.put("sign_ins", kept.name, kept.body | {"until": time.time() - 1})
    for wrong in ("", "x", code + "x", code):
        assert stranger("POST", "/sessions", json={"code": wrong}).status_code == 401
    ask("POST", "/sign-ins")
    assert len(documents.list("sign_ins")) == 1, "the old one is gone"


def test_a_session_ends_and_another_does_not_lengthen_it(ask, app, stranger):
    session = stranger("POST", "/sessions", json={"code": ask("POST", "/sign-ins").json()["code"]}).json()
    inside = Client(app, session["token"])
    second = stranger("POST", "/sessions", json={"code": inside("POST", "/sign-ins").json()["code"]}).json()
    assert second["expires_at"] == session["expires_at"]
    key = sign_ins.key_of(run_token.key_of(TOKEN))
    over = sign_ins.SignIn(name="me", role=5, expires_at=time.time() - 1)
    assert Client(app, sign_ins.sign(key, over))("GET", "/me").status_code == 401
    forged = sign_ins.SignIn(name="me", role=5, expires_at=time.time() + 100)
    for token in (sign_ins.sign(b"0" * 32, forged), session["token"][:-2], session["token"] + "x"):
        assert Client(app, token)("GET", "/me").status_code == 401


def test_what_is_done_in_a_session_is_written_down_with_who_did_it(ask, app, stranger):
    run = a_run(ask)
    session = stranger("POST", "/sessions", json={"code": ask("POST", "/sign-ins").json()["code"]}).json()
    assert Client(app, session["token"])("POST", f"/runs/{run['id']}/cancel").status_code == 202
    line = ask("GET", "/audit").json()[0]
    assert (line["who"], line["role"], line["route"]) == ("me", "admin", "/runs/{name}/cancel")


# --- what a page asks again and again


def test_a_drawing_says_where_each_step_stands(ask):
    run = a_run(ask)
    graph = ask("GET", f"/runs/{run['id']}/graph").json()
    node = graph["nodes"][0]
    graph["nodes"] = [
        node,
        node | {"key": "b", "name": "b", "after": ["a"]},
        node | {"key": "c", "name": "c", "after": ["a"]},
    ]
    other = ask("POST", "/runs", json={"experiment": "e", "graph": graph}).json()
    drawn = ask("GET", f"/runs/{other['id']}/picture").json()
    assert (drawn["keys"], drawn["x"]) == (["a", "b", "c"], [0, 1, 1])
    assert drawn["y"][1] != drawn["y"][2] and drawn["edges"] == [0, 1, 0, 2]
    published = ask("POST", "/pipelines", json={"graph": graph, "name": "p"}).json()
    assert ask("GET", f"/pipelines/{published['id']}/picture").json() == drawn


def test_how_steps_stand_is_told_when_it_changes(app, ask):
    run = a_run(ask)
    first = ask("GET", f"/runs/{run['id']}/standing").json()
    assert [first["words"][step] for step in first["steps"]] == ["started"] and first["status"] == "running"
    again = ask("GET", f"/runs/{run['id']}/standing?seen={first['mark']}").json()
    assert (again["mark"], again["steps"]) == (first["mark"], [])
    begun = time.monotonic()
    assert ask("GET", f"/runs/{run['id']}/standing?seen={first['mark']}&wait_s=0.5").json()["steps"] == []
    assert time.monotonic() - begun >= 0.5, "nothing was new, so it was waited for"
    ended = StepEnded(run_id=run["id"], node="a", attempt=1, outcome=Outcome.FAILED)
    advance(app.state.service.ports, run["id"], [ended])
    begun = time.monotonic()
    news = ask("GET", f"/runs/{run['id']}/standing?seen={first['mark']}&wait_s=20").json()
    assert news["status"] == "failed" and time.monotonic() - begun < 5


def test_runs_are_found_by_what_people_remember_of_them(ask):
    run = a_run(ask)
    graph = ask("GET", f"/runs/{run['id']}/graph").json()
    graph["parameters"] = [{"name": "rounds", "type": "int", "default": 1}]
    for number in range(5):
        body = {"experiment": "found", "graph": graph, "run_id": f"run-{number}", "parameters": {"rounds": number + 10}}
        assert ask("POST", "/runs", json=body | {"tags": {"kind": "nightly", "n": str(number)}}).status_code == 201
    ask("PATCH", "/runs/run-3", json={"tags": {"kind": None}, "display_name": "The good one"})
    child = {"experiment": "found", "graph": graph, "run_id": "run-child", "parent": "run-0"}
    assert ask("POST", "/runs", json=child).status_code == 201

    def found(query: str) -> list[str]:
        return [one["id"] for one in ask("GET", f"/runs?{query}").json()]

    assert found("search=GOOD one") == ["run-3"] and found("search=rounds=12") == ["run-2"]
    assert found("tag=kind") == ["run-4", "run-2", "run-1", "run-0"] and found("tag=n=3") == ["run-3"]
    assert found("trigger=step") == ["run-child"] and "run-child" not in found("trigger=own")
    assert found(f"after={time.time() + 10}") == [] and found("search=nothing like it") == []

    first = ask("GET", "/runs?tag=kind&limit=3")
    rest = ask("GET", f"/runs?tag=kind&limit=3&before={first.headers['X-Next-Before']}")
    assert [len(first.json()), len(rest.json())] == [3, 1] and "X-Next-Before" not in rest.headers
