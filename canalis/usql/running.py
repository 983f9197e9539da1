"""A script runs: DuckDB reads, calculates and writes. What it writes is there when all of it is, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from canalis.usql.extraction import explained, files_of, view_of
from canalis.usql.faults import ScriptFailed, ScriptInvalid, Told
from canalis.usql.files import Found
from canalis.usql.macros import macros
from canalis.usql.script import Extraction, Output, Plan, View, plan
from canalis.usql.writing import write


class Engine:
    """DuckDB in this process, with what C# does otherwise. A context.

    threads   how many it may use; None for one for each core
    """

    def __init__(self, threads: int | None = None) -> None:
        import duckdb  # which is an extra, and takes a while to load

        self._scratch = Path(tempfile.mkdtemp(prefix="canalis-usql-"))
        self._error: type[Exception] = duckdb.Error
        self._connection: Any = duckdb.connect(config={"temp_directory": str(self._scratch / "spilled")})
        self._connection.execute("SET ieee_floating_point_ops = true")
        self._connection.execute("SET enable_progress_bar = false")  # which would be among what the step prints
        if threads is not None:
            self._connection.execute(f"SET threads = {max(1, threads)}")
        for macro in macros():
            self._connection.execute(macro)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *reason: object) -> None:
        self._connection.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def calculate(self, sql: str) -> str | None:
        """See Calculator."""
        try:
            found: str | None = self._connection.execute(f"SELECT CAST(({sql}) AS VARCHAR)").fetchone()[0]
        except self._error as error:
            raise ValueError(explained(str(error))) from None
        return found

    def plan(self, text: str, values: Mapping[str, str]) -> Plan:
        """What a script does. Raises ScriptInvalid with everything that is wrong with it."""
        return plan(text, values, self)

    def run(self, made: Plan, say: Callable[[str], None]) -> None:
        """Do what a script does.

        say      is told in a line what was read and written
        Raises   ScriptInvalid when files that it names are not there, and ScriptFailed for what cannot be read,
                 calculated or written
        """
        files = self._files(made)
        written: list[tuple[Path, Path]] = []
        try:
            for number, part in enumerate(made.parts):
                if isinstance(part, Extraction):
                    say(f"line {part.at.line}: EXTRACT reads {_counted(len(files[part.view]), 'file')}")
                    self._view(part.view, view_of(part, files[part.view], self._scratch), "VIEW", part)
                elif isinstance(part, View):
                    # What is read more than once is calculated once, so that all who read it see the same.
                    self._view(part.view, part.sql, "TABLE" if part.reads > 1 else "VIEW", part)
                else:
                    target = Path(part.path)
                    temporary = target.with_name(f".{target.name}.{os.getpid()}-{number}")
                    written.append((temporary, target))
                    rows = self._write(part, temporary)
                    say(f"line {part.at.line}: OUTPUT writes {_counted(rows, 'row')} to {part.path}")
            for temporary, target in written:
                temporary.replace(target)
        except OSError as error:
            raise ScriptFailed(f"{error.filename or 'a file'} cannot be written: {error.strerror}") from None
        finally:
            for temporary, _ in written:
                with contextlib.suppress(OSError):  # it is in place, or was never made
                    temporary.unlink()

    def _files(self, made: Plan) -> dict[str, list[Found]]:
        """The files of every EXTRACT, looked for before anything runs."""
        told = Told()
        found: dict[str, list[Found]] = {}
        for part in made.parts:
            if isinstance(part, Extraction):
                with told.each():
                    found[part.view] = files_of(part)
        if told.faults:
            raise ScriptInvalid(replace(fault, at=made.place(fault.at)) for fault in told.faults)
        return found

    def _view(self, name: str, sql: str, kind: str, part: Extraction | View) -> None:
        try:
            self._connection.execute(f"CREATE TEMP {kind} {name} AS {sql}")
        except self._error as error:
            raise ScriptFailed(_said(part.at.line, error)) from None

    def _write(self, part: Output, target: Path) -> int:
        try:
            return write(self._connection, part.sql, part.columns, part.options, target)
        except self._error as error:
            raise ScriptFailed(_said(part.at.line, error)) from None
        except UnicodeEncodeError as error:
            said = f"line {part.at.line}: '{error.object[error.start]}' cannot be written in {part.options.encoding}"
            raise ScriptFailed(said) from None


def run_script(text: str, values: Mapping[str, str], say: Callable[[str], None], threads: int | None = None) -> None:
    """Run a script from begin to end; see Engine.plan and Engine.run."""
    with Engine(threads) as engine:
        engine.run(engine.plan(text, values), say)


def _said(line: int, error: Exception) -> str:
    message = explained(str(error))
    return message if message.startswith(("line ", "EXTRACT in line ")) else f"OUTPUT in line {line}: {message}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
