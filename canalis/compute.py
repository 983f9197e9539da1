"""Compute targets: clusters that run steps, and services elsewhere. In a local workspace a cluster is a pool of slots.

Source   reference section 6
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import quote

from canalis.adla_compute import AdlaCompute as AdlaCompute
from canalis.attached_compute import BackendCompute as BackendCompute
from canalis.attached_compute import DatabricksCompute as DatabricksCompute
from canalis.attached_compute import DataFactoryCompute as DataFactoryCompute
from canalis.compute_target import ComputeTarget as ComputeTarget
from canalis.compute_target import asked_of_targets, refuse_inside_a_step
from canalis.compute_target import name_of as name_of
from canalis.compute_target import of_document as of_document
from canalis.exceptions import ComputeTargetException


class AmlCompute(ComputeTarget):
    """A cluster of up to max_nodes machines; here, that many steps at once."""

    _compute_type: ClassVar[str] = "AmlCompute"

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
        refuse_inside_a_step()
        given = {
            "min_nodes": min_nodes,
            "max_nodes": max_nodes,
            "idle_seconds_before_scaledown": idle_seconds_before_scaledown,
        }
        body = {**self._document, **{name: value for name, value in given.items() if value is not None}}
        self._document = asked_of_targets(lambda: self.workspace._client.put(f"/computes/{quote(self.name)}", body))


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
