"""Accounts of Data Lake Analytics, which was retired on 2024-02-29: their U-SQL runs where the workspace's steps do.

Source   reference section 6
"""

from __future__ import annotations

from typing import Any

from canalis.compute import _CLASSES, ComputeTarget
from canalis.exceptions import ComputeTargetException

TYPE = "DataLakeAnalytics"


class AdlaAttachConfiguration:
    """Which account it was. It is recorded, and nobody is asked for it."""

    def __init__(self, settings: dict[str, str | None]) -> None:
        self._settings = {name: value for name, value in settings.items() if value}

    def _document(self) -> dict[str, Any]:
        return {"type": TYPE, "settings": self._settings}


class AdlaCompute(ComputeTarget):
    """An account of Data Lake Analytics by its name. AdlaStep runs on it, with DuckDB in the account's place."""

    _compute_type = TYPE

    @staticmethod
    def attach_configuration(
        resource_group: str | None = None, account_name: str | None = None, resource_id: str | None = None
    ) -> AdlaAttachConfiguration:
        """Which account it was. Raises ComputeTargetException when neither account_name nor resource_id says so."""
        if not account_name and not resource_id:
            raise ComputeTargetException("Say which account of Data Lake Analytics: account_name or resource_id")
        return AdlaAttachConfiguration(
            {"resource_group": resource_group, "account_name": account_name, "resource_id": resource_id}
        )

    @property
    def is_attached(self) -> bool:
        """Always True."""
        return True

    def detach(self) -> None:
        """Forget it."""
        self.delete()


_CLASSES[TYPE] = AdlaCompute
