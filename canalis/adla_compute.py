"""Accounts of Data Lake Analytics, which was retired on 2024-02-29: their U-SQL runs where the workspace's steps do.

Source   reference section 6
"""

from __future__ import annotations

from typing import ClassVar

from canalis.attached_compute import AttachConfiguration, AttachedCompute
from canalis.exceptions import ComputeTargetException

TYPE = "DataLakeAnalytics"


class AdlaCompute(AttachedCompute):
    """An account of Data Lake Analytics by its name. AdlaStep runs on it, with DuckDB in the account's place."""

    _compute_type: ClassVar[str] = TYPE

    @staticmethod
    def attach_configuration(
        resource_group: str | None = None, account_name: str | None = None, resource_id: str | None = None
    ) -> AttachConfiguration:
        """Which account it was. Raises ComputeTargetException when neither account_name nor resource_id says so."""
        if not account_name and not resource_id:
            raise ComputeTargetException("Say which account of Data Lake Analytics: account_name or resource_id")
        return AttachConfiguration(
            TYPE, {"resource_group": resource_group, "account_name": account_name, "resource_id": resource_id}
        )
