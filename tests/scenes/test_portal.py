"""The portal as an author comes to it: by a link that lets a browser in once."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.scenes.conftest import canalis


def answer_of(url: str, token: str = "", body: dict | None = None) -> dict:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    asked = urllib.request.Request(url, json.dumps(body).encode() if body is not None else None, headers)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.load(answer)


def test_a_link_opens_a_run_in_the_portal_once_as_who_asked_for_it(author):
    run = author.runs(author.step("only", "print(1)"))
    link = json.loads(canalis("open", run.id[:8], "--json").stdout)["url"]
    page, _, inside = link.partition("#")
    asked = parse_qs(urlsplit(inside).query)
    assert asked["to"] == [f"/runs/{run.id}"]
    with urllib.request.urlopen(page, timeout=10) as answer:
        assert b"/portal/app.js" in answer.read() and "script-src 'self'" in answer.headers["content-security-policy"]

    session = answer_of(f"{page}api/v1/sessions", body={"code": asked["code"][0]})
    assert answer_of(f"{page}api/v1/me", session["token"])["name"] == session["name"]
    drawn = answer_of(f"{page}api/v1/runs/{run.id}/picture", session["token"])
    assert drawn["names"] == ["only"]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        answer_of(f"{page}api/v1/sessions", body={"code": asked["code"][0]})
