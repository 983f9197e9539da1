"""Links to single blobs: signed with a key that Azure gives the app's identity, so no key of an account is needed."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

from azure.storage.blob import BlobClient, BlobSasPermissions, BlobServiceClient, UserDelegationKey, generate_blob_sas

from adapters.azure_account import Account
from canalis.contract.ports import Link

ROLE = "Storage Blob Delegator"
_KEY_S = 24 * 3600.0  # how long a delegation key is good for; Azure allows a week
_SKEW_S = 15 * 60.0  # by which clocks may differ
_LINK_S_MAX = 12 * 3600.0


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
        is_plain = blob.url.startswith("http://")
        sas = generate_blob_sas(
            self._account.name,
            blob.container_name,
            blob.blob_name,
            account_key=self._account.key or None,
            user_delegation_key=self._delegated(until) if self._account.credential is not None else None,
            permission=BlobSasPermissions(read=not write, write=write),
            expiry=_time(until),
            protocol="https,http" if is_plain else "https",
        )
        return Link(f"{blob.url}?{sas}", {"x-ms-blob-type": "BlockBlob"} if write else {})

    def _delegated(self, until: float) -> UserDelegationKey:
        """A key that is good until then."""
        with self._lock:
            if self._key is None or self._key_until < until:
                now = time.time()
                self._key_until = now + _KEY_S
                start = _time(now - _SKEW_S)
                self._key = self._service.get_user_delegation_key(start, _time(self._key_until))
            return self._key


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
