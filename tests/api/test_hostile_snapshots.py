"""A snapshot is a list of files, and no archive is ever unpacked: what can be hostile are paths, hashes and sizes."""

from __future__ import annotations

import hashlib
from itertools import product

SHA256 = hashlib.sha256(b"x").hexdigest()
NOT_A_PART = ["..", ".", "", "..\\x", "a\\..\\b", "x\0", "\\\\host\\share", "C:\\x", "n" * 256, "é" * 128]
AROUND = ["{}", "a/{}", "{}/a", "a/{}/b", "a/b/{}", "./{}", "/{}", "../{}", "{}/..", "a//{}", "{}//a", "//{}"]
BAD_WHOLE = [
    "C:", "c:/", "C:/x", "/", "/etc/passwd", "a/", "a/b/", "/".join("d" * 200 for _ in range(11)), "\0", "..", "../..",
    "a/../../b", "\\", "..\\..\\x", "~\\x",
]  # fmt: skip
# A name says nothing but itself: these are names of files like any others.
GOOD = ["%2e%2e/x", "..%2fx", "%252e%252e%252fx", "...", "..a", "a..", "~", "-rf", "a b", "CON", "a:b", "c:x", "\n", "é" * 127,
        "$(x)", "`x`", "a\u202eb", "d/" * 20 + "x"]  # fmt: skip


def entry(size: int = 1, sha256: str = SHA256) -> dict[str, object]:
    return {"sha256": sha256, "size": size}


def test_no_path_that_leads_elsewhere_is_taken(ask):
    assert ask("PUT", f"/content/{SHA256}", content=b"x").status_code == 204
    hostile = {way.format(part) for way, part in product(AROUND, NOT_A_PART)} | {*BAD_WHOLE}
    hostile |= {way.format("x") for way in AROUND if ".." in way or "//" in way or way.startswith(("./", "/"))}
    assert len(hostile) >= 120
    for path in hostile:
        answer = ask("POST", "/snapshots", json={"files": {"a.py": entry(), path: entry()}})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request"), path
    for path in GOOD:
        answer = ask("POST", "/snapshots", json={"files": {path: entry()}}).json()
        assert answer["missing"] == [] and ask("GET", f"/snapshots/{answer['id']}").json()["files"].keys() == {path}


def test_a_file_is_no_folder_and_a_hash_has_one_size(ask):
    assert ask("PUT", f"/content/{SHA256}", content=b"x").status_code == 204
    for files, why in (
        ({"a": entry(), "a/b/c": entry()}, "'a' is a file, and the folder of 'a/b/c'"),
        ({"a/b": entry(), "a/b/c": entry()}, "'a/b' is a file"),
        ({"a": entry(1), "b": entry(2)}, "another file of its hash"),
        ({"a": entry(2**40)}, "has 1 bytes, not 1099511627776"),
        ({"a": entry(0)}, "has 1 bytes, not 0"),
    ):
        answer = ask("POST", "/snapshots", json={"files": files})
        assert answer.status_code == 400 and why in answer.json()["error"]["message"], answer.text
    for odd in ({"size": -1}, {"size": "1"}, {"size": 1.5}, {"sha256": "../" + SHA256[3:]}, {"sha256": SHA256.upper()}):
        assert ask("POST", "/snapshots", json={"files": {"a": entry() | odd}}).status_code == 400, odd
    twice = b'{"files": {"a": {"sha256": "%s", "size": 1}, "a": {"sha256": "%s", "size": 1}}}' % (
        (SHA256.encode(),) * 2
    )
    answer = ask("POST", "/snapshots", content=twice, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, "a path that comes twice"
