"""Compute targets: clusters that run steps. In a local workspace each is a pool of slots on this machine.

Source   reference section 6
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
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

    _compute_type = ""

    def __new__(cls, workspace: Within, name: str) -> Any:
        """The target of that name, of the class that it is."""
        document = _asked(lambda: workspace._client.get(f"/computes/{quote(name)}"))
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
        _refuse_inside_a_step()
        body = provisioning_configuration._document()
        _asked(lambda: workspace._client.put(f"/computes/{quote(name)}", body))
        return of_document(workspace, {"name": name, **body})

    @staticmethod
    def attach(workspace: Within, name: str, attach_configuration: Any) -> ComputeTarget:
        """Make what exists elsewhere a compute target, or give the one of that name the new configuration."""
        return ComputeTarget.create(workspace, name, attach_configuration)

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
        self._document = _asked(lambda: self.workspace._client.get(f"/computes/{quote(self.name)}"))

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
        _refuse_inside_a_step()
        _asked(lambda: self.workspace._client.delete(f"/computes/{quote(self.name)}"))

    def detach(self) -> None:
        """Forget it. A cluster that the workspace made can only be deleted."""
        raise ComputeTargetException(f"'{self.name}' was made here, so it cannot be detached; delete() it")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


class AmlCompute(ComputeTarget):
    """A cluster of up to max_nodes machines; here, that many steps at once."""

    _compute_type = "AmlCompute"

    @staticmethod
    def provisioning_configuration(
        vm_size: str = "",
        vm_priority: str = "dedicated",
        min_nodes: int = 0,
        max_nodes: int | None = None,
        idle_seconds_before_scaledown: int = 1800,
        tags: dict[str, str] | None = None,
        description: str | None = None,
        **others: Any,
    ) -> AmlComputeProvisioningConfiguration:
        """What a cluster shall be. max_nodes must be given (ComputeTargetException)."""
        if max_nodes is None:
            raise ComputeTargetException("An AmlCompute needs max_nodes: how many steps it may run at once")
        if not 0 <= min_nodes <= max_nodes or max_nodes < 1:
            raise ComputeTargetException(f"min_nodes {min_nodes} and max_nodes {max_nodes} do not go together")
        if vm_priority not in ("dedicated", "lowpriority"):
            raise ComputeTargetException(f"'{vm_priority}' is no priority of machines: dedicated, lowpriority")
        return AmlComputeProvisioningConfiguration(
            vm_size, vm_priority, min_nodes, max_nodes, idle_seconds_before_scaledown, tags, description, others
        )

    @property
    def vm_size(self) -> str:
        """The size of machine that was asked for; recorded."""
        return str(self._document.get("vm_size", ""))

    @property
    def vm_priority(self) -> str:
        """Dedicated or lowpriority; recorded."""
        return str(self._document.get("vm_priority", "dedicated"))

    @property
    def scale_settings(self) -> ScaleSettings:
        """How many nodes it may have."""
        return ScaleSettings(
            minimum_node_count=int(self._document.get("min_nodes", 0)),
            maximum_node_count=int(self._document["max_nodes"]),
            idle_seconds_before_scaledown=int(self._document.get("idle_seconds_before_scaledown", 1800)),
        )

    def get_status(self) -> AmlComputeStatus:
        """How it stands."""
        return AmlComputeStatus(self)

    def wait_for_completion(
        self,
        show_output: bool = False,
        is_delete_operation: bool = False,
        min_node_count: int | None = None,
        timeout_in_minutes: float = 25,
        **ignored: Any,
    ) -> None:
        """Return when it can be used, which is at once."""
        super().wait_for_completion(show_output)

    def update(
        self,
        min_nodes: int | None = None,
        max_nodes: int | None = None,
        idle_seconds_before_scaledown: int | None = None,
    ) -> None:
        """Change how many nodes it may have; steps that start from now on see it."""
        _refuse_inside_a_step()
        given = {
            "min_nodes": min_nodes,
            "max_nodes": max_nodes,
            "idle_seconds_before_scaledown": idle_seconds_before_scaledown,
        }
        body = {**self._document, **{name: value for name, value in given.items() if value is not None}}
        self._document = _asked(lambda: self.workspace._client.put(f"/computes/{quote(self.name)}", body))


class AmlComputeProvisioningConfiguration:
    """What a new cluster shall be."""

    def __init__(
        self,
        vm_size: str,
        vm_priority: str,
        min_nodes: int,
        max_nodes: int,
        idle_seconds_before_scaledown: int,
        tags: dict[str, str] | None,
        description: str | None,
        others: dict[str, Any],
    ) -> None:
        self.vm_size = vm_size
        self.vm_priority = vm_priority
        self.min_nodes = min_nodes
        self.max_nodes = max_nodes
        self.idle_seconds_before_scaledown = idle_seconds_before_scaledown
        self.tags = tags or {}
        self.description = description or ""
        self._others = others

    def _document(self) -> dict[str, Any]:
        # What else v1 lets one say of machines is kept only where it is plain and no secret.
        kept = ("vnet_name", "subnet_name", "vnet_resourcegroup_name", "location", "identity_type")
        return {
            "type": "AmlCompute",
            "vm_size": self.vm_size,
            "vm_priority": self.vm_priority,
            "min_nodes": self.min_nodes,
            "max_nodes": self.max_nodes,
            "idle_seconds_before_scaledown": self.idle_seconds_before_scaledown,
            "tags": self.tags,
            "description": self.description,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            **{name: value for name, value in self._others.items() if name in kept and value is not None},
        }


class ScaleSettings:
    """How many nodes a cluster may have."""

    def __init__(self, minimum_node_count: int, maximum_node_count: int, idle_seconds_before_scaledown: int) -> None:
        self.minimum_node_count = minimum_node_count
        self.maximum_node_count = maximum_node_count
        self.idle_seconds_before_scaledown = idle_seconds_before_scaledown

    def serialize(self) -> dict[str, Any]:
        """As v1 shows it."""
        return {
            "minNodeCount": self.minimum_node_count,
            "maxNodeCount": self.maximum_node_count,
            "nodeIdleTimeBeforeScaleDown": f"PT{self.idle_seconds_before_scaledown}S",
        }


class AmlComputeStatus:
    """How a cluster stands."""

    def __init__(self, target: AmlCompute) -> None:
        self.scale_settings = target.scale_settings
        self.vm_size = target.vm_size
        self.vm_priority = target.vm_priority
        self.allocation_state = "Steady"
        self.provisioning_state = target.provisioning_state
        # This machine's slots are always there.
        self.current_node_count = self.target_node_count = target.scale_settings.maximum_node_count
        self.creation_time = target._document.get("created_at")
        self.errors = None

    def serialize(self) -> dict[str, Any]:
        """As v1 shows it."""
        return {
            "currentNodeCount": self.current_node_count,
            "targetNodeCount": self.target_node_count,
            "nodeStateCounts": {"idleNodeCount": self.current_node_count, "runningNodeCount": 0},
            "allocationState": self.allocation_state,
            "errors": self.errors,
            "creationTime": self.creation_time,
            "provisioningState": self.provisioning_state,
            "scaleSettings": self.scale_settings.serialize(),
            "vmPriority": self.vm_priority,
            "vmSize": self.vm_size,
        }


_CLASSES: dict[str, type[ComputeTarget]] = {"AmlCompute": AmlCompute}


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


def _refuse_inside_a_step() -> None:
    if os.environ.get("CANALIS_CONTEXT"):
        raise ComputeTargetException("Compute targets are managed from outside a run, not from inside a step (401)")


def _asked(question: Callable[[], _Answer]) -> _Answer:
    try:
        return question()
    except NotFound as error:
        raise ComputeTargetException(f"ComputeTargetNotFound: {error.message}", error, error.code) from error
    except NameInvalid as error:
        raise UserErrorException(error.message, error, error.code) from error
    except (AlreadyExists, AuthorError) as error:
        raise ComputeTargetException(error.message, error, error.code) from error
