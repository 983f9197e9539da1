"""Running an author's script in this process, with azureml meaning Canalis."""

from __future__ import annotations

import runpy
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import typer

from canalis.azureml import install_as_azureml
from canalis.cli.output import prints_aside
from canalis.exceptions import ActivityFailedException, UserErrorException

if TYPE_CHECKING:
    from canalis.run import PipelineRun

_DEMO = Path("compare_models") / "pipeline.py"


def run_script(script: Path, arguments: list[str], quiet: bool = False) -> list[PipelineRun]:
    """Run a script as `python script arguments...` would; the runs that it has submitted.

    quiet    sends what it prints to stderr, so that stdout is ours
    Raises   typer.Exit with the script's exit code when it ends with another than 0
    """
    from canalis.submission import submitted

    if not script.is_file():
        raise UserErrorException(f"There is no script {script}")
    install_as_azureml()
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.resolve().parent))
    with prints_aside(quiet):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
            if isinstance(leaving.code, str):
                print(leaving.code, file=sys.stderr)
            if code:
                raise typer.Exit(code) from None
        except ActivityFailedException as failed:  # the run has told its story already
            print(f"canalis: {failed.message}", file=sys.stderr)
            raise typer.Exit(1) from None
        except Exception as error:
            _print_trace(error, script)
            raise typer.Exit(1) from None
    return list(submitted)


def demo_script() -> Path:
    """The example pipeline: in the clone, or in the installed package."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "examples", package / "examples"):
        if (folder / _DEMO).is_file():
            return folder / _DEMO
    raise UserErrorException("The examples are not installed here: run `make demo` in a clone of Canalis")


def _print_trace(error: Exception, script: Path) -> None:
    """The script's part of a trace: how it was started is not the author's affair."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and Path(trace.tb_frame.f_code.co_filename) != script:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace or error.__traceback__)
