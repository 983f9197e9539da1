"""Signatures of webhooks, as Standard Webhooks 1.0.0 has them: who has the secret knows whose a message is, and when.

    webhook-id          names the message; the same however often it is sent
    webhook-timestamp   when this try began, in whole seconds since 1970
    webhook-signature   "v1,<Base64 of HMAC-SHA256>", one for each secret, with blanks between them

What is signed is `<id>.<timestamp>.<body>`, the body byte for byte as it is sent. A secret is `whsec_<Base64>`, and
each receiver has one of its own. While it is changed there are two, and the sender signs with both.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence

from canalis.contract.errors import SettingInvalid

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
PREFIX = "whsec_"
TOLERANCE_S = 300.0
_SECRET_BYTES = 32
_SECRET_BYTES_MIN, _SECRET_BYTES_MAX = 24, 64  # the specification's, under "Signature scheme"
# No dot, as the specification asks: with one, an id and a body could be cut apart at another place and still fit.
_MESSAGE_ID = re.compile(r"[!-\-/-~]{1,256}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_SIGNATURES_MAX = 16  # in one header; whoever sends more only wants us to compare


def new_secret() -> str:
    """A secret that nobody can guess, for one receiver and its sender."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def headers(secret: str | Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers to send with that body.

    secret       one, or several while they are being changed
    message_id   printable ASCII without blanks and dots; chosen by us, never by an author
    timestamp    of this try, in seconds since 1970; receivers refuse what is older than a few minutes
    Raises       SettingInvalid for what is no secret
    """
    assert _MESSAGE_ID.fullmatch(message_id), message_id
    assert secret, "a message that nobody has signed"
    signed = _signatures(secret, message_id, str(timestamp), body)
    return {ID: message_id, TIMESTAMP: str(timestamp), SIGNATURE: " ".join(f"v1,{one}" for one in signed)}


def is_genuine(
    secret: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    now: float,
    tolerance_s: float = TOLERANCE_S,
) -> bool:
    """Whether who has the secret has sent just that, no longer ago (nor later) than the tolerance.

    A message that is sent again within that time is as genuine as before: `webhook-id` tells that it is the same one.

    secret    one, or several while they are being changed
    headers   those that came, in whatever case
    now       seconds since 1970
    Raises    SettingInvalid for what is no secret
    """
    came = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = came.get(ID, ""), came.get(TIMESTAMP, "")
    if not _MESSAGE_ID.fullmatch(message_id) or not _SECONDS.fullmatch(timestamp):
        return False
    if not abs(now - int(timestamp)) <= tolerance_s:
        return False
    versions = (one.partition(",") for one in came.get(SIGNATURE, "").split(" ")[:_SIGNATURES_MAX])
    said = [signature.encode() for version, _, signature in versions if version == "v1" and signature.isascii()]
    expected = [one.encode() for one in _signatures(secret, message_id, timestamp, body)]
    return any(hmac.compare_digest(one, other) for one in expected for other in said)


def _signatures(secret: str | Sequence[str], message_id: str, timestamp: str, body: bytes) -> list[str]:
    keys = [_key(one) for one in ([secret] if isinstance(secret, str) else secret)]
    signed = f"{message_id}.{timestamp}.".encode() + body
    return [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]


def _key(secret: str) -> bytes:
    try:
        if secret.startswith(PREFIX):
            key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
            if _SECRET_BYTES_MIN <= len(key) <= _SECRET_BYTES_MAX:
                return key
    except ValueError:
        pass
    # Without what was given, also as a cause: it may be a secret of another kind.
    raise SettingInvalid(
        f"This is no secret of a webhook: it must be {PREFIX} and the Base64 of {_SECRET_BYTES_MIN} to "
        f"{_SECRET_BYTES_MAX} bytes"
    )
