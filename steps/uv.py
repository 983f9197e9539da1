"""Commands of `uv`: run with their output told line by line, and ended when nobody wants their result any more."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from steps.pip_settings import without_credentials

_LOOK_S = 0.1
_GRACE_S = 2.0
_REASON_MAX = 700  # characters
_ERROR = re.compile(r"[A-Za-z_][\w.]*(Error|Exception)\b|(fatal )?error\b")
_EMPTY_WORDS = ("No solution found when resolving dependencies", "The build backend returned an error")
_EMPTY_HINT = "a problem with the package or the build environment"
_FULL = ("No space left on device", "os error 28", "Disk quota exceeded")


class Stopped(Exception):
    """Nobody wants it any more."""


@dataclass
class Asker:
    """Who needs something built: where it reads about it, and whether it still wants it.

    mark   put into the environment of what is started for it, so that it can be found
    hide   takes secrets out of a text
    """

    log: Path
    is_stopped: Callable[[], bool]
    mark: Mapping[str, str] = field(default_factory=dict)
    hide: Callable[[str], str] = str

    def say(self, text: str) -> str:
        """Write a line into its log; the line, without secrets."""
        shown = self.hide(without_credentials(text))
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {shown}\n")
        return shown

    def go_on(self) -> None:
        """Raise Stopped when it does not want it any more."""
        if self.is_stopped():
            raise Stopped


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code and what it has said, without secrets."""

    code: int
    lines: tuple[str, ...]

    @property
    def reason(self) -> str:
        """What uv says was wrong, on one line, shortened; all of its last words when it says so in no known way."""
        first = next((at for at, line in enumerate(self.lines) if line.lstrip().startswith("error")), -5)
        words, inner = list[str](), list[str]()
        for line in map(str.strip, self.lines[first:]):
            if line in ("[stdout]", "[stderr]"):  # of a package that is built from source: its last words are enough
                inner.append("")
            elif line.startswith("hint"):
                words += [] if line.endswith(_EMPTY_HINT) else [line]
            elif inner:
                inner.append(line)
            else:
                words.append(line.removeprefix("error:").removeprefix("cause:").strip())
        last = next((line for line in reversed(inner) if _ERROR.match(line)), inner[-1] if inner else "")
        text = " ".join(word for word in (*words, last) if word and word not in _EMPTY_WORDS)
        return text if len(text) <= _REASON_MAX else f"{text[:_REASON_MAX]}..."

    @property
    def is_disk_full(self) -> bool:
        """Whether there was no room for what it would write."""
        return self.code != 0 and any(word in line for line in self.lines for word in _FULL)


def program() -> str | None:
    """Where uv is: the one that Canalis was installed with, or else the machine's; None when there is none."""
    with contextlib.suppress(ImportError, FileNotFoundError):
        from uv import find_uv_bin

        return find_uv_bin()
    return shutil.which("uv")


def run(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    asker: Asker,
    folder: Path,
    held: Sequence[int] = (),
    given: str = "",
) -> Done:
    """Run a command to its end. Raises Stopped once its asker does not want it; it has been ended then.

    held    open files that it holds as long as it runs, even when this process dies: locks
    given   what it reads
    """
    process = subprocess.Popen(
        arguments,
        cwd=folder,
        env={**variables, **asker.mark, "NO_COLOR": "1", "UV_NO_PROGRESS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=tuple(held),
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    with process.stdout as said:
        with contextlib.suppress(BrokenPipeError), process.stdin as reads:
            reads.write(given.encode())
        try:
            lines = _listen(said.fileno(), asker)
        except BaseException:
            _end(process)
            raise
    return Done(process.wait(), tuple(lines))


def _listen(said: int, asker: Asker) -> list[str]:
    lines, rest = list[str](), b""
    waiter = select.poll()  # unlike `select`, it takes files of any number
    waiter.register(said, select.POLLIN | select.POLLHUP)
    while True:
        asker.go_on()
        if not waiter.poll(_LOOK_S * 1000):
            continue
        data = os.read(said, 65536)
        *whole, rest = (rest + data).split(b"\n") if data else [rest, b""]
        lines += [asker.say(line.decode("utf-8", "replace").rstrip()) for line in whole if line.strip()]
        if not data:
            return lines


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
