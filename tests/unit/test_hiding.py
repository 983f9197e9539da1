"""Secrets are taken out of the files that steps write: in place on a laptop, on the way to the blobs in Azure."""

from __future__ import annotations

import json

import pytest

from adapters.files import FileBlobs
from canalis.contract.layout import METRICS, SECRETS_READ, STEP_LOG, artifacts, records
from canalis.contract.masking import Mask
from canalis.contract.run import StepRunId
from steps.hiding import Hiding, hide_in_lines
from steps.logs import Logs
from steps.mirror import Mirror

SECRET = "correct-horse"
MASK = Mask([SECRET])
STEP = StepRunId("run-one", "a")


def test_what_others_append_is_blanked_at_each_look_wherever_it_was_split(tmp_path):
    for place in range(len(SECRET) + 1):
        log = tmp_path / f"log{place}"
        hiding = Hiding(log, lambda: MASK)
        hiding.look()
        with log.open("ab", buffering=0) as file:
            file.write(b"a line\n" + SECRET[:place].encode())
            hiding.look()
            file.write(SECRET[place:].encode() + b" and more")
            hiding.look()
        assert log.read_bytes() == b"a line\n" + b"*" * len(SECRET) + b" and more"


def test_a_secret_across_the_pieces_that_are_read_is_blanked(tmp_path, monkeypatch):
    monkeypatch.setattr("steps.hiding._PIECE_BYTES", 8)
    log = tmp_path / "log"
    for before in range(20):
        log.write_bytes(b"x" * before + SECRET.encode() + b"y" * 30)
        Hiding(log, lambda: MASK).look()
        assert log.read_bytes() == b"x" * before + b"*" * len(SECRET) + b"y" * 30


def test_what_was_written_before_a_secret_was_known_is_blanked_too(tmp_path):
    log, masks = tmp_path / "log", [Mask(), MASK]
    log.write_bytes(SECRET.encode() + b" " * 100)
    hiding = Hiding(log, lambda: masks[0])
    hiding.look()
    masks.pop(0)
    hiding.look()
    assert SECRET.encode() not in log.read_bytes()


def test_no_half_of_a_secret_is_left_where_a_log_is_cut(tmp_path):
    limit = 2**16
    for shift in range(len(SECRET)):
        log = tmp_path / f"log{shift}"
        log.write_bytes(b"x" * (limit // 4 - shift) + SECRET.encode() + b"y" * limit)
        with Logs(limit, lambda: MASK).watched(log):
            pass
        assert SECRET[:4].encode() not in log.read_bytes()


def test_metrics_stay_json(tmp_path):
    metrics = tmp_path / METRICS
    metrics.write_bytes(json.dumps({"name": SECRET, "value": 1}).encode() + b"\n{}\n")
    hide_in_lines(metrics, MASK)
    assert metrics.read_bytes() == b'{"name": "***", "value": 1}\n{}\n'


class Step:
    """A step on a machine in Azure that writes into its log, and what is copied of it."""

    def __init__(self, tmp_path):
        self.kept, self.blobs, self.known = tmp_path / "kept", FileBlobs(tmp_path / "blobs"), Mask()
        self.asked: list[bool] = []
        for folder in (artifacts(STEP) + "user_logs", records(STEP)):
            (self.kept / folder).mkdir(parents=True)
        self.mirror = Mirror(self.blobs, STEP, self.kept, 10_000, self.mask)
        self.stale = self.known

    def mask(self, fresh: bool) -> Mask:
        self.asked.append(fresh)
        self.stale = self.known if fresh else self.stale
        return self.stale

    def writes(self, text: str, key: str = artifacts(STEP) + STEP_LOG) -> None:
        with (self.kept / key).open("a") as file:
            file.write(text)

    def copied(self) -> bytes:
        return self.blobs.get(artifacts(STEP) + STEP_LOG)


@pytest.fixture
def step(tmp_path):
    return Step(tmp_path)


def test_no_half_of_a_secret_is_copied_while_the_other_is_awaited(step):
    step.known = MASK
    for place in range(len(SECRET)):
        step.writes(f"{place} {SECRET[:place]}")
        step.mirror.copy()
        step.writes(f"{SECRET[place:]}\n")
        step.mirror.copy()
    step.writes(SECRET[:5])
    step.mirror.copy()
    assert SECRET[:5].encode() not in step.copied().splitlines()[-1]
    step.mirror.finish()
    lines = step.copied().decode().splitlines()
    assert lines == [f"{place} {'*' * len(SECRET)}" for place in range(len(SECRET))] + [SECRET[:5]]


def test_a_secret_that_the_script_has_just_read_is_asked_for(step):
    step.writes("first\n")
    step.mirror.copy()
    step.known = MASK
    step.writes(".", records(STEP) + SECRETS_READ)
    step.writes(f"{SECRET}\n")
    step.mirror.copy()
    step.writes("more\n")
    step.mirror.finish()
    assert step.copied() == b"first\n" + b"*" * len(SECRET) + b"\nmore\n"
    assert step.asked[0] and step.asked.count(True) == 2, "asked anew at the start, and when one was read"


def test_metrics_are_copied_in_whole_lines_without_secrets(step):
    step.known = MASK
    key = records(STEP) + METRICS
    for piece in ('{"value": "', SECRET[:4], SECRET[4:], '"}\n{"value"', ": 1}\n"):
        step.writes(piece, key)
        step.mirror.copy()
    step.mirror.finish()
    assert step.blobs.get(key) == b'{"value": "***"}\n{"value": 1}\n'


def test_what_could_not_be_copied_is_copied_the_next_time(step, monkeypatch):
    step.known = MASK
    step.writes(f"a {SECRET} b\n")
    with monkeypatch.context() as broken:
        broken.setattr(step.mirror._log, "_blobs", None)
        with pytest.raises(AttributeError):
            step.mirror.copy()
    step.writes("c\n")
    step.mirror.finish()
    assert step.copied() == b"a " + b"*" * len(SECRET) + b" b\nc\n"
