"""Running an author's script in this process, with azureml meaning Canalis."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from canalis.azureml import install_as_azureml
from canalis.cli.check import refuse_what_fails
from canalis.cli.faults import print_fault
from canalis.cli.output import prints_aside
from canalis.exceptions import ActivityFailedException, UserErrorException

if TYPE_CHECKING:
    from canalis.pipeline_run import PipelineRun

_DEMO = Path("compare_models") / "pipeline.py"
_DEMO_NEEDS = {"sklearn": "scikit-learn", "matplotlib": "matplotlib"}


class Ran(NamedTuple):
    """What a script has left: the runs that it submitted, and whether it ended by sys.exit with the code 0."""

    runs: list[PipelineRun]
    has_left: bool


def run_script(script: Path, arguments: list[str], quiet: bool = False, with_trace: bool = False) -> Ran:
    """Run a script as `python script arguments...` would.

    quiet        sends what it prints to stderr, so that stdout is ours
    with_trace   shows an error with all frames, ours too
    Raises   typer.Exit with the script's exit code when it ends with another than 0
    """
    from canalis.submission import submitted

    if not script.is_file():
        raise UserErrorException(f"There is no script {script}")
    refuse_what_fails(script)
    install_as_azureml()
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.resolve().parent))
    has_left = False
    with prints_aside(quiet):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
            if isinstance(leaving.code, str):
                print(leaving.code, file=sys.stderr)
            if code:
                raise typer.Exit(code) from None
            has_left = True
        except ActivityFailedException as failed:
            if not failed.was_shown:  # else the run has told its story already
                print(f"canalis: {failed.message}", file=sys.stderr)
            raise typer.Exit(1) from None
        except Exception as error:
            print_fault(error, script, with_trace)
            raise typer.Exit(1) from None
    return Ran(list(submitted), has_left)


@contextmanager
def says_what_goes_on() -> Iterator[None]:
    """Within, Ctrl-C leaves the runs that were submitted to themselves, and says how they are stopped and watched."""
    from canalis.submission import submitted

    try:
        yield
    except KeyboardInterrupt:
        print(file=sys.stderr)  # the terminal has written ^C
        for run in submitted:
            if not run._was_waited_for:
                short = run.id[:8]
                print(
                    f"Run {run.id} goes on; `canalis cancel {short}` stops it, `canalis logs -f {short}` watches it",
                    file=sys.stderr,
                )
        raise typer.Exit(130) from None


def demo_script() -> Path:
    """The example pipeline: in the clone, or in the installed package. Says what it needs that is not installed."""
    missing = [package for module, package in _DEMO_NEEDS.items() if find_spec(module) is None]
    if missing:
        raise UserErrorException(
            f"The example trains real models, and needs {' and '.join(missing)}: pip install {' '.join(missing)} "
            "(or install Canalis with its extra: canalis[demo])"
        )
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "examples", package / "examples"):
        if (folder / _DEMO).is_file():
            return folder / _DEMO
    raise UserErrorException("The examples are not installed here: run `make demo` in a clone of Canalis")
