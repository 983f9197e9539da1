"""Logs without end: the head and the tail stay, what is between goes, and it says how much."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest

from canalis.contract.errors import SettingInvalid
from steps.logs import Logs, cut, limit_of

LIMIT = 2**16
MARK = re.compile(rb"\ncanalis: (\d+) bytes were cut out here, since the log grew beyond 0*65536 bytes \(.*\)\n")


def lines(first: int, end: int) -> bytes:
    return b"".join(b"line %07d\n" % number for number in range(first, end))


def test_of_a_log_that_is_too_long_the_head_and_the_tail_stay(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(lines(0, 10_000))
    cut(log, LIMIT)

    left = log.read_bytes()
    found = MARK.search(left)
    head, tail = left[: found.start()], left[found.end() :]
    assert lines(0, 10_000).startswith(head) and lines(0, 10_000).endswith(tail)
    assert len(head) == LIMIT // 4 and LIMIT // 4 - 13 <= len(tail) <= LIMIT // 4
    assert tail.startswith(b"line "), "the tail begins with a whole line"
    assert int(found[1]) == 130_000 - len(head) - len(tail)


def test_a_log_that_is_cut_again_says_all_that_is_gone(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(lines(0, 10_000))
    cut(log, LIMIT)
    with log.open("ab") as file:
        file.write(lines(10_000, 20_000))
    cut(log, LIMIT)

    left = log.read_bytes()
    (found,) = MARK.finditer(left)
    assert lines(0, 20_000).startswith(left[: found.start()]) and lines(0, 20_000).endswith(left[found.end() :])
    assert int(found[1]) == 260_000 - len(left) + len(found[0])


def test_a_line_without_end_is_cut_as_well(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"x" * 2**20)
    cut(log, LIMIT)
    assert log.stat().st_size < LIMIT and int(MARK.search(log.read_bytes())[1]) == 2**20 - LIMIT // 2


def test_who_writes_while_a_log_is_cut_does_not_notice_and_nothing_is_mixed_up(tmp_path):
    log = tmp_path / "log"
    log.touch()
    script = "import os\nfor n in range(200_000): os.write(1, b'line %07d\\n' % n)"
    with log.open("ab") as output:
        writer = subprocess.Popen([sys.executable, "-c", script], stdout=output)
        while writer.poll() is None:
            cut(log, LIMIT)
            time.sleep(0.001)
    cut(log, LIMIT)
    assert writer.returncode == 0

    left = log.read_bytes()
    (found,) = MARK.finditer(left)
    numbers = [int(number) for number in re.findall(rb"line (\d{7})\n", left)]
    assert numbers == sorted(numbers) and numbers[0] == 0 and numbers[-1] == 199_999
    written, counted = 200_000 * 13, int(found[1]) + len(left) - len(found[0])
    assert len(left) <= LIMIT and 0.99 * written < counted <= written  # what came at the moment of a cut is not counted


def test_a_log_within_its_limit_is_left_alone(tmp_path):
    log = tmp_path / "log"
    with Logs(LIMIT).watched(log):
        log.write_bytes(lines(0, 100))
    assert log.read_bytes() == lines(0, 100)
    with Logs(LIMIT).watched(tmp_path / "none"):
        pass  # of a step that never began


@pytest.mark.parametrize("said", ["1 GiB", "-1", "0", "65535", "1e9"])
def test_a_limit_that_is_none_is_refused_by_name(said):
    with pytest.raises(SettingInvalid, match=f"CANALIS_LOG_MAX_BYTES is '{said}'"):
        limit_of({"CANALIS_LOG_MAX_BYTES": said})
    assert limit_of({}) == limit_of({"CANALIS_LOG_MAX_BYTES": ""}) == 2**30
    assert limit_of({**os.environ, "CANALIS_LOG_MAX_BYTES": "65536"}) == 65536
