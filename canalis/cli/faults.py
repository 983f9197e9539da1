"""What is wrong with a script, told to its author: our messages with the author's line, other errors as Python does."""

from __future__ import annotations

import linecache
import sys
import traceback
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from types import FrameType, TracebackType

from canalis.contract.errors import CanalisError
from canalis.exceptions import AzureMLException

_PACKAGE = Path(__file__).resolve().parents[1]
_EXAMPLES = _PACKAGE / "examples"  # in an installed package; they are an author's scripts like others


def print_fault(error: Exception, script: Path, with_trace: bool = False) -> None:
    """Print an error that has ended a script. One that we have raised comes without our frames.

    with_trace   shows all of it, our frames and what led to it too
    """
    trace = _from_script(error.__traceback__, script)
    if with_trace:
        traceback.print_exception(type(error), error, trace)
        return
    frames = list(_frames(trace))
    own = list(takewhile(lambda frame: not _is_ours(frame[0]), frames))
    if not own or len(own) == len(frames):
        traceback.print_exception(type(error), error, trace)
        return
    frame, line = own[-1]
    file = frame.f_code.co_filename
    print(told(error), file=sys.stderr)
    print(f"  at {file}, line {line}: {linecache.getline(file, line).strip()}", file=sys.stderr)
    print("  (`canalis run --traceback` shows the way there)", file=sys.stderr)


def told(error: Exception) -> str:
    """Our message: on one line with its code, or, of several faults, one on each.

    Lines of a message that are indented belong to the one before them.
    """
    is_ours = isinstance(error, (CanalisError, AzureMLException))
    lines = (error.message if is_ours else str(error)).splitlines() or [type(error).__name__]  # type: ignore[attr-defined]
    code = getattr(error, "code", "") if is_ours else type(error).__name__
    kind = f" [{code}]" if code else ""
    count = sum(not line.startswith("  ") for line in lines)
    if count <= 1:
        return "\n".join([f"canalis: {lines[0]}{kind}", *lines[1:]])
    told_lines = (f"    {line}" if line.startswith("  ") else f"  - {line}" for line in lines)
    return "\n".join([f"canalis: {count} faults{kind}", *told_lines])


def _from_script(trace: TracebackType | None, script: Path) -> TracebackType | None:
    """The script's part of a trace: how it was started is not the author's affair."""
    found = trace
    while found is not None and Path(found.tb_frame.f_code.co_filename) != script:
        found = found.tb_next
    return found or trace


def _frames(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while trace is not None:
        # Python leaves out its own machinery of imports, too.
        if not trace.tb_frame.f_code.co_filename.startswith("<frozen importlib"):
            yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next


def _is_ours(frame: FrameType) -> bool:
    file = Path(frame.f_code.co_filename)
    return file.is_relative_to(_PACKAGE) and not file.is_relative_to(_EXAMPLES)
