"""The service's own log: what it is about, whose lines it has, and what it keeps to itself."""

from __future__ import annotations

import io
import json
import logging
import time

import pytest

from canalis.contract import logs
from canalis.contract.about import about, what
from canalis.contract.errors import SettingInvalid
from canalis.contract.trace import continued

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def written():
    """Gives what the service's log would have, in a format, after some calls of its logger."""
    log = logging.getLogger("canalis.tested")
    log.propagate = False
    log.setLevel(logging.INFO)

    def write(chosen: str, say) -> str:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logs.JsonLines() if chosen == "json" else logs.PlainLines())
        log.handlers = [handler]
        say(log)
        return stream.getvalue()

    yield write
    log.handlers = []


def test_a_line_says_what_it_is_about(written):
    def say(log: logging.Logger) -> None:
        with about(run_id="run-1"), continued(TRACE):
            with about(step="train", attempt=2, invocation="i-7"):
                log.warning("it was %s", "late")
            log.info("of the run")
        log.info("of nothing")

    first, second, third = [json.loads(line) for line in written("json", say).splitlines()]
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "WARNING", "logger": "canalis.tested", "message": "it was late", "run": "run-1", "step": "train",
        "attempt": 2, "invocation": "i-7", "trace": TRACE[3:35],
    }  # fmt: skip
    assert second.keys() == {"time", "level", "logger", "message", "run", "trace"}
    assert third.keys() == {"time", "level", "logger", "message"}
    assert "it was late (run=run-1 step=train attempt=2 invocation=i-7)\n" in written("text", say)
    assert (what().run_id, what().step, what().attempt, what().invocation) == ("", "", 0, "")


FORGED = (
    "ok\n2026-01-01T00:00:00.000Z ERROR canalis.door: forged",
    'ok\r\n{"level": "ERROR", "message": "forged"}',
    "\x1b[2J\x1b[1;31mred\x07",
    "\u2028forged\u2029\x85\x0b\x0c",
    "\u202etxt.exe",
    "half \ud800",
)


@pytest.mark.parametrize("text", FORGED)
def test_nobody_writes_a_line_of_their_own(written, text):
    def say(log: logging.Logger) -> None:
        with about(run_id="run-1", step=text):
            log.error("the script said %s", text)

    line = written("json", say)
    assert line.isascii() and line.count("\n") == 1 and len(line.splitlines()) == 1
    said = json.loads(line)
    assert text.encode("utf-8", "surrogatepass") in said["message"].encode("utf-8", "surrogatepass")
    plain = written("text", say)
    assert len(plain.splitlines()) == 1
    assert not any(sign < " " or sign in "\x7f\x85\u2028\u2029\u202e" for sign in plain.rstrip("\n"))


def test_lines_of_a_traceback_are_set_in_and_those_that_were_forged_too(written):
    def say(log: logging.Logger) -> None:
        try:
            raise ValueError("no\n2026-01-01T00:00:00.000Z ERROR canalis.door: forged\x1b[2J")
        except ValueError:
            log.exception("a fault")

    first, *rest = written("text", say).splitlines()
    assert first.endswith("ERROR canalis.tested: a fault")
    assert rest and all(line.startswith("    ") for line in rest) and "\x1b" not in "".join(rest)
    (line,) = written("json", say).splitlines()
    assert "forged" in json.loads(line)["exception"]


SECRETS = (
    ("https://a.blob.core.windows.net/c/b?sv=2024&sig={}&se=2030", "Zm9vYmFyYmF6Zm9vYmFy%2B%3D"),
    ("url=https%3A%2F%2Fa%3Fse%3D1%26sig%3D{}", "Zm9vYmFyYmF6"),
    ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey={};EndpointSuffix=x", "q83vEjRWeJ/+abcdefgh=="),
    ("Endpoint=sb://n.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey={}", "q83vEjRWeJ0abcdefgh="),
    ("{{'Authorization': 'Bearer {}'}}", "abcdefghijklmnop.qrst"),
    ("Authorization: SharedKey account:{}", "q83vEjRWeJ0abcdefgh="),
    ("token was {}", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLWhlcmU"),
    ("databricks {}", "dapi0123456789abcdef0123456789abcdef"),
    ("pip install https://user:{}@host/simple", "hunter2hunter2"),
    ("GET /api/runs?code={} HTTP/1.1", "abcDEF123456=="),
    ('{{"token": "{}"}}', "t0ps3cret-value"),
    ("AZUREML_RUN_TOKEN={}", "t0ps3cret-value"),
)


@pytest.mark.parametrize(("text", "secret"), SECRETS)
@pytest.mark.parametrize("chosen", ["json", "text"])
def test_a_secret_is_not_written_in_a_text_nor_in_a_traceback(written, text, secret, chosen):
    said = text.format(secret)

    def say(log: logging.Logger) -> None:
        log.error("asked %s", said)
        try:
            raise OSError(said)
        except OSError:
            log.exception("asking failed")

    found = written(chosen, say)
    assert secret not in found and secret.rstrip("=") not in found
    assert logs.MASK in found and found.count("asked") == 1


def test_what_is_no_secret_stays(written):
    for text in ("exit code: 137", "step train of run-1", "the token of its workspace is wanted", "signal 9 (SIGKILL)"):
        assert logs.masked(text) == text


def test_a_secret_that_the_door_knows_is_masked_wherever_it_comes_up(monkeypatch):
    monkeypatch.setattr(logs, "_hidden", set())
    logs.hide("pa55/word+of the workspace")
    logs.hide("short")
    assert logs.masked("x pa55/word+of the workspace y short") == "x *** y short"
    assert logs.masked("?t=pa55%2Fword%2Bof%20the%20workspace") == "?t=***"


def test_a_text_without_end_is_cut_soon(written):
    began = time.monotonic()
    found = written("json", lambda log: log.error("%s", "sig=" * 3_000_000))
    assert len(found) < 20_000 and "characters left out" in found
    assert time.monotonic() - began < 2.0


def test_a_mistake_in_a_format_loses_nothing(written):
    assert "three %d" in written("text", lambda log: log.error("three %d", "x"))


def test_a_host_keeps_its_handlers_and_they_write_our_lines(monkeypatch):
    root = logging.getLogger()
    stream = io.StringIO()
    monkeypatch.setattr(root, "handlers", [logging.StreamHandler(stream)])
    level = root.level
    try:
        logs.set_up({}, "json")
        logging.getLogger("canalis.door").info("up")
        assert json.loads(stream.getvalue())["message"] == "up"
        logs.set_up({"CANALIS_LOG_FORMAT": "Text"}, "json")
        assert isinstance(root.handlers[0].formatter, logs.PlainLines)
        with pytest.raises(SettingInvalid, match="text or json"):
            logs.set_up({"CANALIS_LOG_FORMAT": "xml"})
    finally:
        root.setLevel(level)
