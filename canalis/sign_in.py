"""Signing in to a service in the cloud: who asks, and a token for each request.

azure-identity knows how; it is loaded when a token is first needed, and only here.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from canalis.client import Client, Endpoint
from canalis.contract.errors import CanalisError
from canalis.exceptions import AuthenticationException, WorkspaceException

_EARLY_S = 300.0  # a token is asked for anew so long before it runs out
_FIRST_AWAY_S = 20.0  # an app that was asleep takes some seconds to answer; a wrong address never will
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TOKEN = re.compile(r"[\w\-.~+/]+=*", re.ASCII)  # RFC 6750, section 2.1
_PUBLIC = "login.microsoftonline.com"
# Where one signs in to Azure, by v1's name of the cloud.
_AUTHORITIES = {
    "AzureCloud": _PUBLIC,
    "AzureUSGovernment": "login.microsoftonline.us",
    "AzureChinaCloud": "login.chinacloudapi.cn",
}


class Authority(NamedTuple):
    """Where to sign in: a host of Microsoft's, and the tenant there; "" is one's own."""

    host: str
    tenant: str


class Credential(Protocol):
    """What azure-identity calls a TokenCredential."""

    def get_token(self, *scopes: str) -> Any:
        """A token with `.token` and `.expires_on`, seconds since 1970."""
        ...


class Authentication(Protocol):
    """One of v1's ways to sign in (canalis.authentication)."""

    def _credential(self, authority: Authority) -> Credential:
        """The same for a service in the cloud."""
        ...


class GivenToken:
    """A token that somebody else has asked for: of the run that this script is a step of, or CANALIS_TOKEN.

    unnamed   what to call its owner when it names none
    Raises AuthenticationException when it cannot be a token.
    """

    def __init__(self, token: str, unnamed: str = "a step of a run") -> None:
        if not _TOKEN.fullmatch(token):
            raise AuthenticationException(
                f"What was given as {unnamed} is no access token: letters, digits and -._~+/= without blanks or quotes"
            )
        self._token = token
        self._unnamed = unnamed

    def token(self) -> str:
        """The token."""
        return self._token

    def who(self) -> str:
        """Whom it says that it is for."""
        return name_in(self._token) or self._unnamed


class EntraSignIn:
    """Access tokens of Entra ID, kept until shortly before they run out.

    url     of the service, which tells for which application tokens are to be, and where to sign in
    auth    one of v1's ways, or a credential of azure-identity; None is azure-identity's default
    They are kept here, since not every credential keeps its own: that of the Azure command line starts it each time.
    """

    def __init__(self, url: str, auth: Any = None) -> None:
        self._url = url
        self._auth = auth
        self._lock = threading.Lock()
        self._source: tuple[Credential, str] | None = None
        self._token = ""
        self._expires_at = 0.0

    def token(self) -> str:
        """A token that is good for five minutes or more, if its issuer gives such."""
        with self._lock:
            if time.time() > self._expires_at - _EARLY_S:
                self._renew()
            return self._token

    def who(self) -> str:
        """Whom the last token names."""
        return name_in(self._token)

    def _renew(self) -> None:
        if self._source is None:
            self._source = self._find_source()
        credential, scope = self._source
        try:
            found = credential.get_token(scope)
        except AuthenticationException:
            raise
        except Exception as error:
            raise AuthenticationException(
                f"Signing in to {self._url} did not work: {error}\nSign in with `az login`, or pass an "
                "authentication: Workspace.from_config(auth=InteractiveLoginAuthentication())",
                error,
                "not_allowed",
            ) from error
        self._token, self._expires_at = str(found.token), float(found.expires_on)

    def _find_source(self) -> tuple[Credential, str]:
        health = asked_health(self._url)
        scope = scope_of(str(health.get("audience") or ""), self._url)
        return self._credential(authority_of(str(health.get("authority") or ""), self._url)), scope

    def _credential(self, authority: Authority) -> Credential:
        if self._auth is None:
            tenants = [authority.tenant] if authority.tenant else []
            found: Credential = identity().DefaultAzureCredential(
                authority=authority.host, additionally_allowed_tenants=tenants
            )
            return found
        if hasattr(self._auth, "_credential"):
            brought: Authentication = self._auth
            return brought._credential(authority)
        if callable(getattr(self._auth, "get_token", None)):
            own: Credential = self._auth
            return own
        raise AuthenticationException(
            f"auth must be one of azureml.core.authentication or a credential of azure-identity, not "
            f"{type(self._auth).__name__}"
        )


def asked_health(url: str) -> dict[str, Any]:
    """What a service tells everybody of itself. Raises WorkspaceException when none is there."""
    client = Client(lambda: Endpoint(url, ""), away_s=_FIRST_AWAY_S)
    try:
        found = client.get("/health")
    except (CanalisError, ValueError) as error:
        raise WorkspaceException(
            f"No Canalis service answers at {url} ({error}). The address is canalis_url in config.json, or CANALIS_URL",
            error,
            "unavailable",
        ) from error
    finally:
        client.close()
    return found if isinstance(found, dict) else {}


def scope_of(audience: str, url: str) -> str:
    """The scope of tokens for a service's application, which the service names: its id, or an address api://...

    Raises AuthenticationException for any other. A service says this of itself, and gets the token: one that names
    Azure's own management would be given what opens the caller's whole subscription.

    >>> scope_of("api://canalis", "https://example.net")
    'api://canalis/.default'
    """
    if _GUID.fullmatch(audience):
        audience = f"api://{audience}"  # under this name Azure's own applications are not known
    if not audience:
        raise AuthenticationException(f"The service at {url} does not say for whom tokens are to be (audience)")
    if not audience.startswith("api://") or any(sign.isspace() for sign in audience):
        raise AuthenticationException(
            f"The service at {url} wants tokens for {audience}. Tokens are only given for an application of its own: "
            "its id, or api://..."
        )
    return f"{audience.rstrip('/')}/.default"


def authority_of(address: str, url: str) -> Authority:
    """Where the service wants its callers to sign in. Raises AuthenticationException when that is not Microsoft.

    >>> authority_of("https://login.microsoftonline.com/contoso.com/v2.0", "https://example.net")
    Authority(host='login.microsoftonline.com', tenant='contoso.com')
    """
    parts = urlsplit(address if "//" in address else f"https://{_PUBLIC}/{address}")
    # Passwords of applications are sent there.
    if parts.scheme != "https" or parts.netloc not in _AUTHORITIES.values():
        raise AuthenticationException(
            f"The service at {url} wants its callers to sign in at {address}, which is none of "
            f"{', '.join(_AUTHORITIES.values())}"
        )
    return Authority(parts.netloc, parts.path.strip("/").split("/")[0])


def authority_host(cloud: str) -> str:
    """Where one signs in to a cloud of v1's name. Raises AuthenticationException."""
    if cloud not in _AUTHORITIES:
        raise AuthenticationException(f"'{cloud}' is no cloud that is known here: {', '.join(_AUTHORITIES)}")
    return _AUTHORITIES[cloud]


def identity() -> Any:
    """The module azure.identity. Raises AuthenticationException when it is not installed."""
    try:
        import azure.identity
    except ImportError as error:
        raise AuthenticationException(
            "A workspace in the cloud needs the package azure-identity: pip install 'canalis[azure]'",
            error,
            "package_missing",
        ) from error
    return azure.identity


def claims_of(token: str) -> dict[str, Any]:
    """What an access token says of itself, unchecked; nothing for a token of another kind."""
    try:
        body = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}


def name_in(token: str) -> str:
    """Whom a token names, for people: a user's address, or an application's or object's id; "" when nobody."""
    claims = claims_of(token)
    for claim in ("upn", "preferred_username", "unique_name", "app_displayname", "appid", "azp", "oid", "sub"):
        if claims.get(claim):
            return str(claims[claim])
    return ""
