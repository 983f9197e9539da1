"""Links to single blobs: signed with a key that Azure gives the app's identity, so no key of an account is needed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from azure.storage.blob import BlobClient, BlobServiceClient, UserDelegationKey

from adapters.azure_account import Account
from canalis.contract.ports import Link

_KEY_S = 24 * 3600.0  # how long a delegation key is good for; Azure allows a week
_SKEW_S = 15 * 60.0  # by which clocks may differ
_LINK_S_MAX = 12 * 3600.0
# Of signatures. Not the client's own, which changes with each of its versions: the newest have parts that neither we
# need nor emulators know.
_VERSION = "2022-11-02"
_KEY_FIELDS = {
    "skoid": "signed_oid",
    "sktid": "signed_tid",
    "skt": "signed_start",
    "ske": "signed_expiry",
    "sks": "signed_service",
    "skv": "signed_version",
}


class Links:
    """Makes links to the blobs of an account."""

    def __init__(self, service: BlobServiceClient, account: Account) -> None:
        self._service = service
        self._account = account
        self._lock = threading.Lock()
        self._key: UserDelegationKey | None = None
        self._key_until = 0.0

    def link(self, blob: BlobClient, lifetime_s: float, write: bool) -> Link:
        """To fetch that blob or to put it, and nothing else, for so long."""
        until = time.time() + min(lifetime_s, _LINK_S_MAX)
        key = self._delegated(until) if self._account.credential is not None else None
        query = {
            "sp": "w" if write else "r",
            "se": _text(until),
            "spr": "https,http" if blob.url.startswith("http://") else "https",
            "sv": _VERSION,
            "sr": "b",
        }
        if key is not None:
            query |= {name: str(getattr(key, field)) for name, field in _KEY_FIELDS.items()}
        resource = f"/blob/{self._account.name}/{blob.container_name}/{blob.blob_name}"
        secret = str(key.value) if key is not None else self._account.key
        query["sig"] = _signature(query, resource, secret)
        return Link(f"{blob.url}?{urlencode(query)}", {"x-ms-blob-type": "BlockBlob"} if write else {})

    def _delegated(self, until: float) -> UserDelegationKey:
        """A key that is good until then."""
        with self._lock:
            if self._key is None or self._key_until < until:
                now = time.time()
                start, end = (datetime.fromtimestamp(at, UTC) for at in (now - _SKEW_S, now + _KEY_S))
                self._key, self._key_until = self._service.get_user_delegation_key(start, end), now + _KEY_S
            return self._key


def _signature(query: Mapping[str, str], resource: str, key: str) -> str:
    """The signature of a link with that query.

    Source    Create a service SAS, Create a user delegation SAS: version 2020-12-06 and later
    """
    by_identity = [*(query.get(name, "") for name in _KEY_FIELDS), "", "", ""]
    identifier = by_identity if "skoid" in query else [""]
    fields = [query["sp"], "", query["se"], resource, *identifier, "", query["spr"], query["sv"], query["sr"]]
    text = "\n".join([*fields, "", "", "", "", "", "", ""])  # no snapshot, scope or headers of the answer
    return base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), hashlib.sha256)).decode()


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
