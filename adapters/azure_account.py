"""A storage account: where it is, who may use it, and one pool of connections for the whole process.

What Azure answers is put into the operator's words here, for tables and blobs alike.
"""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential, TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter

from canalis.contract.errors import CanalisError, Conflict, SettingInvalid, StoreFull, StoreUnavailable, TooLarge

CONNECTIONS_MAX = 64  # kept open to one host; threads of a worker beyond that open one and close it again
REST_S_MAX = 5.0  # however long the service asks us to wait: a message that waits longer is better left on the bus
_REST_S = 0.2  # before the second try; doubles
CONNECT_S, READ_S = 5.0, 30.0  # Azure ends an operation on a table after 30 s itself

_NO_RIGHT = (401, 403)
_THROTTLED = (429, 503)
_FULL = 507


@dataclass(frozen=True)
class Account:
    """A storage account's service for tables or for blobs.

    url          without a slash at the end
    credential   gives access tokens; None when `key` is used
    name, key    of an emulator's account, or one of a datastore; the key in base64
    sas          a SAS token, without a question mark
    verify       whether its certificate is checked, or the file with the one that it must be signed by
    """

    url: str
    credential: TokenCredential | None = None
    name: str = ""
    key: str = ""
    verify: bool | str = True
    sas: str = ""

    def opener(self) -> TokenCredential | AzureNamedKeyCredential | AzureSasCredential | None:
        """What Azure's clients open it with; None for what everybody may read."""
        if self.credential is not None:
            return self.credential
        if self.sas:
            return AzureSasCredential(self.sas)
        return AzureNamedKeyCredential(self.name, self.key) if self.key else None

    @classmethod
    def of(cls, where: str, service: str, credential: TokenCredential | None, verify: bool | str = True) -> Account:
        """The account at that address with that credential, or of that connection string.

        service   "table" or "blob"
        Raises    SettingInvalid when it is neither, or lacks a credential
        """
        if "://" in where.partition("=")[0]:
            if credential is None:
                raise SettingInvalid(f"{where} is an address: a credential is needed beside it")
            found = urlsplit(where)
            if found.scheme != "https":
                raise SettingInvalid(f"{where}: an access token is sent over https alone")
            name = found.path.strip("/") or found.netloc.partition(".")[0]  # an emulator has it in the path
            return cls(where.rstrip("/"), credential, name, verify=verify)
        parts = dict(part.split("=", 1) for part in where.strip(";").split(";") if "=" in part)
        url = parts.get(f"{service.capitalize()}Endpoint", "")
        if not url or not parts.get("AccountName") or not parts.get("AccountKey"):
            wanted = f"AccountName, AccountKey or {service.capitalize()}Endpoint"
            raise SettingInvalid(f"The connection string of the {service}s lacks {wanted}")
        return cls(url.rstrip("/"), None, parts["AccountName"], parts["AccountKey"], verify)


class _Pool(HTTPAdapter):
    """Connections that are shared by all threads; no retries, which are decided where the request is known."""

    def __init__(self) -> None:
        super().__init__(pool_connections=8, pool_maxsize=CONNECTIONS_MAX, max_retries=0)


# Else each request is told twice wherever INFO is kept, as Functions does.
logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)

_lock = threading.Lock()
_transports: dict[object, RequestsTransport] = {}


def transport(account: Account) -> RequestsTransport:
    """The process's connections, shared by all accounts that are reached in the same way. Never closed."""
    # Left to itself, requests looks for proxies in the environment for each request, which takes 0.3 ms.
    proxies = requests.utils.get_environ_proxies(account.url)
    verify = os.environ.get("REQUESTS_CA_BUNDLE", True) if account.verify is True else account.verify
    way = (verify, *sorted(proxies.items()))
    with _lock:
        found = _transports.get(way)
        if found is None:
            session = requests.Session()
            session.proxies.update(proxies)
            session.trust_env = False
            for scheme in ("http://", "https://"):
                session.mount(scheme, _Pool())
            found = _transports[way] = RequestsTransport(
                session=session,
                session_owner=False,
                connection_timeout=CONNECT_S,
                read_timeout=READ_S,
                connection_verify=verify,
            )
        return found


def rest_s(number: int) -> float:
    """How long to rest after so many tries have failed, in seconds: not quite as long as others do."""
    return _REST_S * 2.0 ** (number - 1) * random.uniform(0.5, 1.5)  # noqa: S311


def retry_after_s(headers: Mapping[str, str]) -> float:
    """How long the service asks us to wait, in seconds."""
    text = headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0


def refusal(status: int, code: str, where: str, role: str) -> CanalisError:
    """What an answer of Azure means, in the operator's words.

    code    Azure's own word for it, "" when it gave none
    where   what was asked, as a person would name it: "table runs"
    role    what the identity needs for it
    """
    if status in (409, 412) and not code.endswith("BeingDeleted"):
        return Conflict(f"{where} was changed by somebody else ({code})")
    if code == "InvalidBlockList":
        return Conflict(f"{where}: somebody else wrote the same blob at the same time")
    if status == 413 or code in ("RequestBodyTooLarge", "EntityTooLarge", "PropertyValueTooLarge"):
        return TooLarge(f"{where} refuses it: larger than Azure stores in one piece ({code})")
    if status in _NO_RIGHT:
        return StoreUnavailable(
            f"{where} refuses us ({code or status}): give the app's identity the role '{role}', "
            "and look whether the account's firewall lets it in"
        )
    if status in _THROTTLED:
        return StoreUnavailable(f"{where} is throttled ({code or status}); it is asked again later")
    if status == _FULL:
        return StoreFull(f"No room is left in {where} ({code})")
    if code == "ContainerNotFound":
        return StoreUnavailable(f"{where} is not there: deploy the infrastructure again, which makes it")
    return StoreUnavailable(f"{where} answered {status} {code}".rstrip())


def no_answer(error: Exception, where: str, role: str) -> CanalisError:
    """What it means that there was no answer."""
    if isinstance(error, ClientAuthenticationError):
        return StoreUnavailable(f"No access token for {where}: {_short(error)}. Its identity needs the role '{role}'")
    return StoreUnavailable(f"{where} does not answer: {_short(error)}")


def code_of(error: AzureError) -> str:
    """Azure's own word for it, "" when it gave none."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


@contextmanager
def plain_errors(where: str, role: str) -> Iterator[None]:
    """Azure's reasons in the operator's words."""
    try:
        yield
    except HttpResponseError as error:
        if error.status_code is None or (isinstance(error, ClientAuthenticationError) and error.response is None):
            raise no_answer(error, where, role) from error
        raise refusal(error.status_code, code_of(error), where, role) from error
    except AzureError as error:
        raise no_answer(error, where, role) from error


def _short(error: Any) -> str:
    text = error.message if isinstance(error, AzureError) else str(error)
    return str(text).splitlines()[0][:200] if text else type(error).__name__
