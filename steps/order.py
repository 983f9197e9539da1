"""What it takes to begin a process for an attempt, and what of it may matter to a warm interpreter."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SETTING = "CANALIS_WARM"
# Variables that differ from step to step.
_OF_MLFLOW = ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_")
_OF_A_STEP = ("AZUREML_", "AML_PARAMETER_", "CANALIS_", "TRACEPARENT", *_OF_MLFLOW)
_OF_A_RUN = ("AZUREML_RUN_", "AZUREML_ROOT_RUN_", "AZUREML_DATAREFERENCE_")
OFF = ("off", "0", "no", "false")


@dataclass(frozen=True)
class Order:
    """A process to begin for an attempt.

    interpreter   that runs `line` as a script with arguments; None for any other program
    name          of the script: what it was seen to import is kept under it
    own           variables that only this step has, beside those that Canalis sets for each
    """

    line: list[str]
    folder: Path
    environment: dict[str, str]
    record: Path
    log: Path
    interpreter: str | None
    name: str
    own: frozenset[str]

    @property
    def is_warm(self) -> bool:
        """Whether a fork of an interpreter can be the script."""
        return self.interpreter is not None and self.environment.get(SETTING, "on").lower() not in OFF

    @property
    def likely(self) -> dict[str, str]:
        """Those variables of a step that the next one will likely have too: who has them need not be given them."""
        return {
            name: value
            for name, value in self.environment.items()
            if name.startswith("AZUREML_") and not name.startswith(_OF_A_RUN) and name not in self.own
        }

    @cached_property
    def surroundings(self) -> dict[str, str]:
        """The variables that may matter to what an interpreter loads."""
        source = str(self.folder)
        found = {
            name: value
            for name, value in self.environment.items()
            if not name.startswith(_OF_A_STEP) and name not in self.own
        }
        folders = found.get("PYTHONPATH", "").split(os.pathsep)
        return found | {"PYTHONPATH": os.pathsep.join(folder for folder in folders if folder != source)}

    @property
    def import_folders(self) -> list[str]:
        """Where a script looks for modules before it looks where all do: beside itself, and as it was told."""
        beside = (self.folder / self.line[1]).resolve().parent
        listed = self.environment.get("PYTHONPATH", "").split(os.pathsep)
        return [str(beside), *(str(self.folder / name) for name in listed if name)]
