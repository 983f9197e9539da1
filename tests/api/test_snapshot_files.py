"""The files of a snapshot, one by one, by the paths that they have there."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

import pytest

PATHS = ("a.py", "sub/b.py", "with blank.txt", "q?#%41.txt", "ü/é.txt", "%2e%2e", "sub/..b")


def sent(ask, contents: dict[str, bytes]) -> str:
    """A snapshot of files; its id."""
    files = {path: {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)} for path, body in contents.items()}
    for body in contents.values():
        assert ask("PUT", f"/content/{hashlib.sha256(body).hexdigest()}", content=body).status_code == 204
    answer = ask("POST", "/snapshots", json={"files": files}).json()
    assert answer["missing"] == []
    return answer["id"]


@pytest.fixture
def snapshot(ask) -> str:
    return sent(ask, {path: f"# {path}\n".encode() for path in PATHS})


def test_each_file_of_a_snapshot_is_had_by_its_path(ask, snapshot):
    for path in PATHS:
        answer = ask("GET", f"/snapshots/{snapshot}/files/{quote(path)}")
        assert (answer.status_code, answer.text) == (200, f"# {path}\n")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "b.py",
        "sub",
        "sub/",
        "a.py/",
        "/a.py",
        "../a.py",
        "%2e%2e/%2e%2e/canalis.db",
        "sub/%2e%2e/a.py",
        "%2e/a.py",
        "%00",
        "%ff",
    ]
    + ["..%2f..%2fgraphs", "a.py%00", "sub%5cb.py", "A.PY", "", "x" * 5_000],
)
def test_no_path_leads_to_what_the_snapshot_does_not_name(ask, snapshot, path):
    answer = ask("GET", f"http://test/api/v1/snapshots/{snapshot}/files/{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_a_storage_key_is_no_path_of_a_file(ask, snapshot):
    sha256 = hashlib.sha256(b"# a.py\n").hexdigest()
    for path in (sha256, f"content/{sha256[:2]}/{sha256}", f"snapshots/{snapshot}"):
        assert ask("GET", f"/snapshots/{snapshot}/files/{path}").status_code == 404
    for identity in (sha256, "x", "..", "0" * 64, f"{snapshot[:-1]}Z"):
        assert ask("GET", f"/snapshots/{identity}/files/a.py").status_code == 404
