"""v1's ways to sign in. A local workspace knows its owner, so each of them gives the header that opens it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from canalis import local


class AbstractAuthentication:
    """Somebody who may ask the service for something."""

    def __init__(self, cloud: str | None = None, **ignored: Any) -> None:
        self._cloud = cloud or "AzureCloud"

    def get_authentication_header(self) -> dict[str, str]:
        """Headers for requests to the service: {"Authorization": "Bearer <token>"}."""
        return {"Authorization": f"Bearer {self.get_token()}"}

    def get_token(self) -> str:
        """The token of the local workspace of this project."""
        inside = os.environ.get("CANALIS_CONTEXT")
        if inside:
            return local.token(Path(json.loads(Path(inside).read_text())["home"]))
        return local.token(local.home() / local.DEFAULT_NAME)


class InteractiveLoginAuthentication(AbstractAuthentication):
    """Signs in as the person at the keyboard."""

    def __init__(
        self, force: bool = False, tenant_id: str | None = None, cloud: str | None = None, **ignored: Any
    ) -> None:
        super().__init__(cloud)


class AzureCliAuthentication(AbstractAuthentication):
    """Signs in as whom the Azure command line is signed in as."""


class MsiAuthentication(AbstractAuthentication):
    """Signs in as the machine."""


class ServicePrincipalAuthentication(AbstractAuthentication):
    """Signs in as an application. The password is kept nowhere."""

    def __init__(
        self,
        tenant_id: str,
        service_principal_id: str,
        service_principal_password: str,
        cloud: str = "AzureCloud",
        **ignored: Any,
    ) -> None:
        super().__init__(cloud)


class ArmTokenAuthentication(AbstractAuthentication):
    """Brings a token of Azure's, which a local workspace does not need."""

    def __init__(self, arm_access_token: str, cloud: str = "AzureCloud") -> None:
        super().__init__(cloud)


class TokenAuthentication(AbstractAuthentication):
    """Brings a function that gets tokens of Azure's, which a local workspace does not need."""

    def __init__(self, get_token_for_audience: Callable[[str], str], cloud: str = "AzureCloud") -> None:
        super().__init__(cloud)


class AzureMLTokenAuthentication(AbstractAuthentication):
    """Uses the token of the run that this script is."""
