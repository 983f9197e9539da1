"""A pipeline to fail and to go on with, for the scenes of resumed runs."""

from __future__ import annotations

from pathlib import Path

from canalis.data import PipelineData
from canalis.pipeline_run import PipelineRun
from canalis.steps import PythonScriptStep
from tests.scenes.conftest import Author

# Each step adds its name to what the one before it wrote, says so in a file outside of the run, and fails as long as
# there is a file that tells it to.
LINK = """
    import pathlib, sys
    name, made, project, *before = sys.argv[1:]
    here = pathlib.Path(project)
    with (here / "began.txt").open("a") as file:
        print(name, file=file)
    if (here / f"break_{name}").exists():
        raise SystemExit(f"{name} is broken")
    text = "".join(pathlib.Path(path).read_text() for path in before) + name
    pathlib.Path(made).write_text(text)
    print("wrote", text)
"""


class Chain:
    """A pipeline of steps a > b > c > d > e, each of which reads what the one before it wrote."""

    def __init__(self, author: Author, project: Path) -> None:
        self.author = author
        self.project = project

    def steps(self, names: str = "abcde") -> list[PythonScriptStep]:
        """The steps; the last is enough to submit them all."""
        script, before = self.author.writes("link.py", LINK), []
        found = []
        for name in names:
            made = PipelineData(f"made_{name}")
            found.append(
                PythonScriptStep(
                    script,
                    name=name,
                    arguments=[name, made, self.project, *before],
                    inputs=before,
                    outputs=[made],
                    source_directory=str(self.author.folder),
                    allow_reuse=False,
                )
            )
            before = [made]
        return found

    def breaks(self, name: str) -> None:
        """From now on the step fails."""
        (self.project / f"break_{name}").touch()

    def mends(self, name: str) -> None:
        """From now on it does not."""
        (self.project / f"break_{name}").unlink()

    def runs(self, names: str = "abcde") -> PipelineRun:
        """A run of it, at its end."""
        return self.author.runs(*self.steps(names))

    @property
    def began(self) -> str:
        """Names of the steps that were ever begun, in order of name."""
        return "".join(sorted((self.project / "began.txt").read_text().split()))


def goes_on(run: PipelineRun, **options: object) -> PipelineRun:
    """The run that goes on from another, at its end."""
    resumed = run.resubmit(**options)
    resumed.wait_for_completion(show_output=False, raise_on_error=False)
    return resumed


def kept(run: PipelineRun) -> str:
    """Names of the steps that were kept."""
    return "".join(step.name for step in run.get_steps() if step._is_reused)
