"""The command line in processes that are forked from one which has loaded it: most of what a command takes is that."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["canalis.cli.commands", "canalis.cli.pipeline.groups", "httpcore2", __name__])


def run(words: list[str], cwd: Path, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """What subprocess.run() gives of `canalis` with such words, with no input."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "stdout", Path(folder) / "stderr"]
        process = _PROCESSES.Process(target=_command, args=(words, str(cwd), dict(os.environ), files))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, timeout_s)
        said = [file.read_text() for file in files]
    return subprocess.CompletedProcess(["canalis", *words], process.exitcode, *said)


def _command(words: list[str], cwd: str, environment: dict[str, str], files: list[Path]) -> None:
    for descriptor, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["canalis", *words]
    from canalis.cli import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()  # a process of multiprocessing does not
