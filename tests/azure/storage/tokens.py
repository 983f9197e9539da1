"""Access tokens such as Azurite takes when it is started with `oauth`."""

from __future__ import annotations

import base64
import json
import time

from azure.core.credentials import AccessToken

IDENTITY = "22222222-2222-2222-2222-222222222222"
TENANT = "11111111-1111-1111-1111-111111111111"


class UnsignedCredential:
    """A credential for Azurite. Its tokens have the form, the times and the claims of real ones, and no signature."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        """A token for storage, good for an hour."""
        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": f"https://sts.windows.net/{TENANT}/",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3600,
            # A user delegation key is made of these two; without them Azurite answers 500.
            "oid": IDENTITY,
            "tid": TENANT,
        }
        parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims)] + [b"unsigned"]
        return AccessToken(".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), now + 3600)
