"""v1's ways to sign in.

A workspace in the cloud is opened by access tokens of Entra ID: each class is a thin face of a credential of
azure-identity. A local workspace knows its owner, so there each of them gives the token that opens it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from canalis import host, local
from canalis.exceptions import AuthenticationException
from canalis.sign_in import Authority, Credential, authority_host, claims_of, identity

_DEFAULT = "AzureCloud"


class AbstractAuthentication:
    """Somebody who may ask the service for something."""

    def __init__(self, cloud: str | None = None, **ignored: Any) -> None:
        self._cloud = cloud or _DEFAULT

    def get_authentication_header(self) -> dict[str, str]:
        """Headers for requests to the service: {"Authorization": "Bearer <token>"}."""
        return {"Authorization": f"Bearer {self.get_token()}"}

    def get_token(self) -> str:
        """A token for the workspace of this folder, in the cloud or here."""
        found = host.configured(self) or host.LocalHost(local.home() / local.DEFAULT_NAME)
        return found.token()

    def _credential(self, authority: Authority) -> Credential:
        """The credential of azure-identity; the default one for a class that does not say more."""
        found: Credential = identity().DefaultAzureCredential(
            authority=self._host(authority), additionally_allowed_tenants=_tenants(authority)
        )
        return found

    def _host(self, authority: Authority) -> str:
        """Where to sign in: in the cloud that was named, else where the service says."""
        return authority.host if self._cloud == _DEFAULT else authority_host(self._cloud)


class InteractiveLoginAuthentication(AbstractAuthentication):
    """Signs in as the person at the keyboard, in a browser, once for each process."""

    def __init__(
        self, force: bool = False, tenant_id: str | None = None, cloud: str | None = None, **ignored: Any
    ) -> None:
        super().__init__(cloud)
        self._tenant_id = tenant_id

    def _credential(self, authority: Authority) -> Credential:
        tenant = self._tenant_id or authority.tenant or None
        found: Credential = identity().InteractiveBrowserCredential(authority=self._host(authority), tenant_id=tenant)
        return found


class AzureCliAuthentication(AbstractAuthentication):
    """Signs in as whom the Azure command line is signed in as."""

    def _credential(self, authority: Authority) -> Credential:
        found: Credential = identity().AzureCliCredential(tenant_id=authority.tenant)
        return found


class MsiAuthentication(AbstractAuthentication):
    """Signs in as the machine, by its managed identity.

    identity_config   {"client_id": ...}, {"object_id": ...} or {"resource_id": ...} of one of several
    """

    def __init__(self, identity_config: dict[str, str] | None = None, cloud: str | None = None, **ignored: Any) -> None:
        super().__init__(cloud)
        self._identity_config = dict(identity_config or {})

    def _credential(self, authority: Authority) -> Credential:
        named = dict(self._identity_config)
        client_id = named.pop("client_id", None)
        found: Credential = identity().ManagedIdentityCredential(
            client_id=client_id, **({"identity_config": named} if named else {})
        )
        return found


class ServicePrincipalAuthentication(AbstractAuthentication):
    """Signs in as an application. The password is kept in memory only."""

    def __init__(
        self,
        tenant_id: str,
        service_principal_id: str,
        service_principal_password: str,
        cloud: str = _DEFAULT,
        **ignored: Any,
    ) -> None:
        super().__init__(cloud)
        self._tenant_id = tenant_id
        self._client_id = service_principal_id
        self._password = service_principal_password

    def _credential(self, authority: Authority) -> Credential:
        found: Credential = identity().ClientSecretCredential(
            self._tenant_id, self._client_id, self._password, authority=self._host(authority)
        )
        return found


class ArmTokenAuthentication(AbstractAuthentication):
    """Brings a token. In the cloud it must be one for the service's application: a token of Azure's own is not sent."""

    def __init__(self, arm_access_token: str, cloud: str = _DEFAULT) -> None:
        super().__init__(cloud)
        self._brought = arm_access_token

    def update_arm_access_token(self, arm_access_token: str) -> None:
        """Bring another one, before the last has run out."""
        self._brought = arm_access_token

    def _credential(self, authority: Authority) -> Credential:
        return _Brought(lambda audience: self._brought)


class TokenAuthentication(AbstractAuthentication):
    """Brings a function that gets a token for an audience: api://<application of the service>."""

    def __init__(self, get_token_for_audience: Callable[[str], str], cloud: str = _DEFAULT) -> None:
        super().__init__(cloud)
        self._get_token_for_audience = get_token_for_audience

    def _credential(self, authority: Authority) -> Credential:
        return _Brought(self._get_token_for_audience)


class AzureMLTokenAuthentication(AbstractAuthentication):
    """Uses the token of the run that this script is."""


class _Token(NamedTuple):
    token: str
    expires_on: float


class _Brought:
    """A credential that asks a function of the caller's."""

    def __init__(self, ask: Callable[[str], str]) -> None:
        self._ask = ask

    def get_token(self, *scopes: str) -> _Token:
        """What the function gives. One that does not say when it runs out is asked for again each time."""
        token = self._ask(scopes[0].removesuffix("/.default"))
        claims = claims_of(token)
        if str(claims.get("aud", "")).startswith("https://"):
            raise AuthenticationException(
                f"This token opens {claims['aud']}, so it is not sent to the service: bring one for {scopes[0]}"
            )
        expires_on = claims.get("exp", 0)
        return _Token(token, float(expires_on) if isinstance(expires_on, (int, float)) else time.time())


def _tenants(authority: Authority) -> list[str]:
    return [authority.tenant] if authority.tenant else []
