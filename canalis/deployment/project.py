"""The clone that is deployed: where it is, and what infra/plan.json says of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from canalis.exceptions import UserErrorException

_NEEDED = ("infra/main.bicep", "infra/plan.json", "requirements.txt", "orchestrator")


@dataclass(frozen=True)
class Project:
    """A folder with everything that is deployed."""

    root: Path

    @classmethod
    def here(cls) -> Project:
        """The clone that this command belongs to. Raises UserErrorException when it was installed without one."""
        return cls.at(Path(__file__).resolve().parents[2])

    @classmethod
    def at(cls, root: Path) -> Project:
        """The clone in that folder. Raises UserErrorException, naming what is missing there."""
        missing = [name for name in _NEEDED if not (root / name).exists()]
        if missing:
            raise UserErrorException(
                f"`canalis deploy` needs a clone of the repository, and {root} has no {', '.join(missing)}: "
                "clone it, `make setup`, and use the `canalis` of its .venv",
                code="no_clone",
            )
        return cls(root)

    @property
    def infra(self) -> Path:
        """The folder of Bicep."""
        return self.root / "infra"

    @cached_property
    def plan(self) -> dict[str, Any]:
        """What would be made, for people: lists of pairs, prices and counts. A test holds it against the Bicep."""
        found: dict[str, Any] = json.loads((self.infra / "plan.json").read_text())
        return found
