"""What is told of a script that has failed: what Python has raised, wherever its message ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from canalis.contract.masking import Mask
from steps.last_words import last_words

_LONG = "raise ValueError('Input X contains NaN.\\nHow to impute:\\n\\n  see the user guide\\nhttps://example.org/nan')"
_CHAINED = "try:\n    int('x')\nexcept ValueError:\n    raise KeyError('rows')"
_OWN = "class Odd(Exception): pass\nraise Odd('first\\nsecond')"
_SHOWN = "import sys, traceback\ntry:\n    int('x')\nexcept ValueError:\n    traceback.print_exc()\n"


def words_of(folder: Path, text: str) -> str:
    """What is told of a Python script that fails."""
    log = folder / "log"
    with log.open("wb") as file:
        code = subprocess.run([sys.executable, "-c", text], stdout=file, stderr=file).returncode
    return last_words(log, Mask([]), code)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_LONG, ": ValueError: Input X contains NaN."),
        (_CHAINED, ": KeyError: 'rows'"),
        (_OWN, ": Odd: first"),
        ("assert False", ": AssertionError"),
        ("def", ": SyntaxError: invalid syntax"),
        ("raise ValueError('x' * 1_000)", ": ValueError: " + "x" * 488),
        ("raise ValueError('first' + '\\nmore' * 2_000)", ": ValueError: first"),
        (_SHOWN + "print('gave up')\nsys.exit(3)", "; its last line was: gave up"),
        ("import sys\nsys.exit('gave up')", "; its last line was: gave up"),
    ],
)
def test_a_failure_is_told_with_the_first_line_of_what_was_raised(tmp_path, text, said):
    assert words_of(tmp_path, text) == said


def test_a_secret_in_what_was_raised_is_not_told(tmp_path):
    log = tmp_path / "log"
    log.write_text(
        'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nOSError: pa55word-of-ann\nat x\n'
    )
    assert last_words(log, Mask(["pa55word-of-ann"])) == ": OSError: ***************"
