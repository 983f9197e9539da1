"""What all compute targets have in common, and how one is found by its name.

Source   reference section 6
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

from canalis.absent import V1
from canalis.contract.errors import AlreadyExists, AuthorError, NameInvalid, NotFound
from canalis.exceptions import ComputeTargetException, UserErrorException
from canalis.within import Within

_Answer = TypeVar("_Answer")


class ComputeTarget(V1):
    """A compute target. ComputeTarget(workspace, name) gives one of its own class.

    Raises ComputeTargetException, its message beginning with ComputeTargetNotFound, when there is none.
    """

    _compute_type: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        if "_compute_type" in vars(cls):
            _CLASSES[cls._compute_type] = cls

    def __new__(cls, workspace: Within, name: str) -> Any:
        """The target of that name, of the class that it is."""
        document = asked_of_targets(lambda: workspace._client.get(f"/computes/{quote(name)}"))
        found = object.__new__(_CLASSES.get(document.get("type", ""), ComputeTarget))
        if not issubclass(type(found), cls):
            raise ComputeTargetException(f"'{name}' is of type {found.type}, not {cls._compute_type}")
        found._take(workspace, document)
        return found

    def _take(self, workspace: Within, document: dict[str, Any]) -> None:
        self.workspace = workspace
        self._document = document

    @staticmethod
    def create(workspace: Within, name: str, provisioning_configuration: Any) -> ComputeTarget:
        """A new compute target, or the one of that name with the new configuration."""
        refuse_inside_a_step()
        body = provisioning_configuration._document()
        asked_of_targets(lambda: workspace._client.put(f"/computes/{quote(name)}", body))
        return of_document(workspace, {"name": name, **body})

    @staticmethod
    def attach(workspace: Within, name: str, attach_configuration: Any) -> ComputeTarget:
        """Make what exists elsewhere a compute target, or give the one of that name the new configuration."""
        refuse_inside_a_step()
        body = attach_configuration._document()
        kept = asked_of_targets(lambda: workspace._client.put(f"/computes/{quote(name)}", body))
        return of_document(workspace, kept)

    @staticmethod
    def list(workspace: Within) -> list[ComputeTarget]:
        """All compute targets of the workspace."""
        return [of_document(workspace, found) for found in workspace._client.get("/computes")]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._document["name"])

    @property
    def type(self) -> str:
        """v1's word for what it is."""
        return str(self._document.get("type", ""))

    @property
    def provisioning_state(self) -> str:
        """Always Succeeded: a pool of this machine is there as soon as it has a name."""
        return "Succeeded"

    @property
    def provisioning_errors(self) -> Any:
        """Always None."""
        return None

    @property
    def location(self) -> str:
        """Where it is: the workspace's location."""
        return self.workspace.location

    @property
    def tags(self) -> dict[str, str]:
        """What it was tagged with when it was created."""
        return dict(self._document.get("tags") or {})

    @property
    def is_attached(self) -> bool:
        """Whether it existed before the workspace knew it."""
        return False

    @property
    def cluster_resource_id(self) -> str:
        """What Azure would call it."""
        return f"{self.workspace.get_details()['id']}/computes/{self.name}"

    @property
    def status(self) -> Any:
        """How it stands."""
        return self.get_status()

    def get_status(self) -> Any:
        """How it stands."""
        return self.provisioning_state

    def refresh_state(self) -> None:
        """Read it again."""
        self._document = asked_of_targets(lambda: self.workspace._client.get(f"/computes/{quote(self.name)}"))

    def wait_for_completion(self, show_output: bool = False, is_delete_operation: bool = False, **ignored: Any) -> None:
        """Return when it can be used, which is at once."""
        if show_output:
            print(f"Compute target '{self.name}': {self.provisioning_state}")

    def serialize(self) -> dict[str, Any]:
        """What is known of it, as v1 shows it."""
        return {
            "id": self.cluster_resource_id,
            "name": self.name,
            "location": self.location,
            "tags": self.tags,
            "type": self.type,
            "properties": {"computeType": self.type, "provisioningState": self.provisioning_state, "properties": {}},
        }

    def delete(self) -> None:
        """Delete it. Runs that use it go on."""
        refuse_inside_a_step()
        asked_of_targets(lambda: self.workspace._client.delete(f"/computes/{quote(self.name)}"))

    def detach(self) -> None:
        """Forget it. A cluster that the workspace made can only be deleted."""
        raise ComputeTargetException(f"'{self.name}' was made here, so it cannot be detached; delete() it")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


_CLASSES: dict[str, type[ComputeTarget]] = {}  # by type, each entered when it is made


def of_document(workspace: Within, document: dict[str, Any]) -> ComputeTarget:
    """The compute target that a document of the service describes."""
    found = object.__new__(_CLASSES.get(document.get("type", ""), ComputeTarget))
    found._take(workspace, document)
    return found


def name_of(compute_target: Any) -> str | None:
    """The name of what v1 accepts as a compute target: an object, a name, or a (name, type) pair."""
    if compute_target is None or isinstance(compute_target, str):
        return compute_target
    if isinstance(compute_target, tuple) and compute_target and isinstance(compute_target[0], str):
        return compute_target[0]
    if isinstance(compute_target, ComputeTarget):
        return compute_target.name
    raise ValueError(f"{compute_target!r} is no compute target: use the object, its name or (name, type)")


def refuse_inside_a_step() -> None:
    """Raise ComputeTargetException within a step, as v1's service did."""
    if os.environ.get("CANALIS_CONTEXT"):
        raise ComputeTargetException("Compute targets are managed from outside a run, not from inside a step (401)")


def asked_of_targets(question: Callable[[], _Answer]) -> _Answer:
    """The answer, or v1's exception for what the service answers otherwise."""
    try:
        return question()
    except NotFound as error:
        raise ComputeTargetException(f"ComputeTargetNotFound: {error.message}", error, error.code) from error
    except NameInvalid as error:
        raise UserErrorException(error.message, error, error.code) from error
    except (AlreadyExists, AuthorError) as error:
        raise ComputeTargetException(error.message, error, error.code) from error
