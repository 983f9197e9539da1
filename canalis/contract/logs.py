"""How a service writes its log: one line a record, with what it is about, and without secrets or forged lines.

    set_up(os.environ)              plain text, for a terminal or a file on a laptop
    set_up(os.environ, "json")      JSON lines, for whoever collects them

Much of what is logged was written by others: names of files and steps, what a script printed last. So every control
character is shown as an escape, and what looks like a secret is masked, in texts and tracebacks alike.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from canalis.contract.about import about, what
from canalis.contract.errors import SettingInvalid
from canalis.contract.masking import MASK, Mask
from canalis.contract.trace import current, trace_id

SETTING = "CANALIS_LOG_FORMAT"
_FORMATS = ("text", "json")
_TEXT_MAX = 16_000  # characters of a record's text, and of its traceback
_LOOKED_AT_MAX = 64_000  # of a longer text the rest is cut off before it is looked through for secrets

_VALUE = r"[^\s&;,\"'<>\\]{4,}"
_SECRETS = re.compile(
    # Names behind which a secret stands: of SAS links, connection strings, keys of Functions, settings.
    rf"(?P<name>(?:\b|%3F|%26|%3B|_)(?:sig|AccountKey|SharedAccessKey|SharedAccessSignature|ClientSecret|password|secret|token"
    rf"|AZUREML_RUN_TOKEN|CANALIS_RUN_KEY|x-functions-key)[\"']?\s?(?:=|:|%3D)\s?[\"']?)(?!Bearer\b){_VALUE}"
    rf"|(?P<scheme>\b(?:Bearer|Basic|SharedKey(?:Lite)?|SharedAccessSignature)\s+){_VALUE}"
    rf"|(?P<key>[?&]code=){_VALUE}"
    r"|(?P<user>://[^\s/:@]{1,200}:)[^\s/@]{1,500}(?=@)"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"  # an access token
    r"|\bdapi[0-9a-f]{32}\b",  # one of Databricks
    re.IGNORECASE,
)
# Line ends of every kind, the escapes that move a terminal's cursor, and what turns text around.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_hidden: set[str] = set()


def set_up(environ: Mapping[str, str], default: str = "text", level: int = logging.INFO) -> None:
    """Write the log as CANALIS_LOG_FORMAT says, else as `default` does. Raises SettingInvalid.

    Where a host has its own handlers, as Functions has, they stay and write our lines.
    """
    chosen = environ.get(SETTING, "").strip().lower() or default
    if chosen not in _FORMATS:
        raise SettingInvalid(f"{SETTING} is '{chosen[:40]}': it can be {' or '.join(_FORMATS)}")
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler(sys.stderr))
    for handler in root.handlers:
        handler.setFormatter(JsonLines() if chosen == "json" else PlainLines())
    root.setLevel(level)
    for noisy in ("azure", "uamqp", "urllib3", "httpx2"):  # they tell of each request, with its headers
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))


def hide(secret: str) -> None:
    """Mask this text wherever it comes up from now on."""
    _hidden.add(secret)


def masked(text: str) -> str:
    """A text without what looks like a secret.

    >>> masked("put https://x.blob.core.windows.net/c/b?se=2030&sig=abcdefgh%3D failed")
    'put https://x.blob.core.windows.net/c/b?se=2030&sig=*** failed'
    """
    return _SECRETS.sub(_without, _mask_of(frozenset(_hidden)).hidden(text))


def one_line(text: str) -> str:
    """A text with every control character as an escape: it cannot begin a line of its own, nor move a cursor.

    >>> one_line("step\\n2026-01-01 ERROR forged")
    'step\\\\n2026-01-01 ERROR forged'
    """
    return _CONTROL.sub(_escaped, text)


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, and what is known of run, step, attempt, trace."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        parts: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": _text(_message(record)),
            **_known(what()),
        }
        if trace := trace_id(current()):
            parts["trace"] = trace
        if found := _traceback(self, record):
            parts["exception"] = found
        return json.dumps(parts)  # ASCII only, so that no control character is left as it is


class PlainLines(logging.Formatter):
    """A record as a line for people; lines of a traceback are set in, so that none looks like a record."""

    def format(self, record: logging.LogRecord) -> str:
        """The line or lines, without the last end."""
        message = one_line(_text(_message(record)))
        about = " ".join(f"{name}={one_line(str(value))}" for name, value in _known(what()).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {message}" + (f" ({about})" if about else "")
        found = _traceback(self, record)
        return "\n".join([line, *(f"    {one_line(inner)}" for inner in found.split("\n"))]) if found else line


@lru_cache(1)
def _mask_of(secrets: frozenset[str]) -> Mask:
    return Mask(secrets)


def _time(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # a mistake of ours in a format must not lose what was to be said
        return f"{record.msg!r} with {record.args!r} ({error!r})"


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    found = formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
    return _text(found or record.exc_text or "", from_end=True)


def _text(text: str, from_end: bool = False) -> str:
    """A text without secrets and not without end. Of a traceback the end says most."""
    looked_at = text[-_LOOKED_AT_MAX:] if from_end else text[:_LOOKED_AT_MAX]
    found = masked(looked_at)
    left_out = len(text) - len(looked_at) + max(0, len(found) - _TEXT_MAX)
    if not left_out:
        return found
    said = f"({left_out} characters left out)"
    return f"{said} {found[-_TEXT_MAX:]}" if from_end else f"{found[:_TEXT_MAX]} {said}"


def _known(now: about) -> dict[str, str | int]:
    known: dict[str, str | int] = {"run": now.run_id, "step": now.step, "attempt": now.attempt}
    known["invocation"] = now.invocation
    return {name: value for name, value in known.items() if value}


def _without(found: re.Match[str]) -> str:
    return (found["name"] or found["scheme"] or found["key"] or found["user"] or "") + MASK


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "backslashreplace").decode()
