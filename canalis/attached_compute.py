"""Compute targets that are services elsewhere: a Databricks workspace, a copier of data, and backends of a site's own.

Source   reference section 6
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from canalis.compute_target import ComputeTarget
from canalis.exceptions import ComputeTargetException

_RESOURCE_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)/providers/[^/]+/[^/]+/(?P<name>[^/]+)/?", re.IGNORECASE
)


class AttachConfiguration:
    """What is to be a compute target: its type, what is known of it, and what opens it."""

    def __init__(self, compute_type: str, settings: Mapping[str, Any], **more: Any) -> None:
        self._type = compute_type
        self._settings = {name: value for name, value in settings.items() if value not in (None, "")}
        self._more = more

    def _document(self) -> dict[str, Any]:
        return {"type": self._type, "settings": self._settings, **self._more}

    def __repr__(self) -> str:
        return f"AttachConfiguration({self._type!r}, {self._settings!r})"


class AttachedCompute(ComputeTarget):
    """A compute target that was there before the workspace knew it."""

    @property
    def is_attached(self) -> bool:
        """Always True."""
        return True

    @property
    def settings(self) -> dict[str, Any]:
        """What is known of it. What opens it is not among that."""
        return dict(self._document.get("settings") or {})

    def detach(self) -> None:
        """Forget it, and what opens it. Nothing is deleted where it is."""
        self.delete()


class DatabricksCompute(AttachedCompute):
    """A Databricks workspace, in which the steps' notebooks and scripts run."""

    _compute_type: ClassVar[str] = "Databricks"

    @staticmethod
    def attach_configuration(
        resource_group: str | None = None,
        workspace_name: str | None = None,
        resource_id: str | None = None,
        access_token: str = "",
        *,
        workspace_url: str | None = None,
    ) -> AttachConfiguration:
        """A Databricks workspace by its names in Azure, and a personal access token for it.

        workspace_url   https://adb-....azuredatabricks.net; not in v1, which looked it up. Without it the service must
                        know the address by the workspace's name (CANALIS_DATABRICKS_WORKSPACES)
        Raises ComputeTargetException when neither says which workspace it is.
        """
        group, name = _named(resource_group, workspace_name, resource_id)
        if not name and not workspace_url:
            raise ComputeTargetException("Say which Databricks workspace: workspace_name, resource_id or workspace_url")
        settings = {
            "resource_group": group,
            "workspace_name": name,
            "resource_id": resource_id,
            "workspace_url": workspace_url and workspace_url.rstrip("/"),
        }
        return AttachConfiguration("Databricks", settings, access_token=access_token or "")

    def get_credentials(self) -> dict[str, Any]:
        """Raises ComputeTargetException: a token that was given is kept where nobody can read it."""
        raise ComputeTargetException(f"The access token of '{self.name}' is kept, and is given to nobody any more")


class DataFactoryCompute(AttachedCompute):
    """Copies data between datastores. The service itself does that, whatever data factory is named."""

    _compute_type: ClassVar[str] = "DataFactory"

    @staticmethod
    def provisioning_configuration(location: str | None = None) -> AttachConfiguration:
        """A new one."""
        return AttachConfiguration("DataFactory", {"location": location})

    @staticmethod
    def attach_configuration(
        resource_group: str | None = None, factory_name: str | None = None, resource_id: str | None = None
    ) -> AttachConfiguration:
        """One that exists in Azure: its names are recorded."""
        group, name = _named(resource_group, factory_name, resource_id)
        if not name:
            raise ComputeTargetException("Say which data factory: factory_name or resource_id")
        return AttachConfiguration(
            "DataFactory", {"resource_group": group, "factory_name": name, "resource_id": resource_id}
        )


class BackendCompute(AttachedCompute):
    """Whatever a backend of the service's own can reach. Not in v1."""

    _compute_type: ClassVar[str] = "Backend"

    @staticmethod
    def attach_configuration(backend: str, access_token: str = "", **settings: Any) -> AttachConfiguration:
        """A target of the backend of that name.

        settings   whatever the backend wants to know, as JSON; what opens it is the access_token
        """
        return AttachConfiguration("Backend", settings, backend=backend, access_token=access_token)


def _named(group: str | None, name: str | None, resource_id: str | None) -> tuple[str | None, str | None]:
    """Resource group and name of a resource, as said or as its id says them."""
    if resource_id is None:
        return group, name
    found = _RESOURCE_ID.fullmatch(resource_id)
    if found is None:
        raise ComputeTargetException(f"'{resource_id}' is no resource id: /subscriptions/.../providers/...")
    return group or found["group"], name or found["name"]
