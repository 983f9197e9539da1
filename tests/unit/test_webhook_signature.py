"""Webhooks are signed as Standard Webhooks says: its own library believes ours, and we believe its."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from canalis.contract.errors import SettingInvalid
from canalis.contract.webhook_signature import ID, SIGNATURE, TIMESTAMP, headers, is_genuine, new_secret

BODY = '{"type":"run.completed","data":{"name":"Zoë \\u2028"}}'.encode()
NOW = 1_796_000_000
SECRET, OTHER = new_secret(), new_secret()


def theirs(secret: str, body: bytes = BODY, message_id: str = "msg_1", at: int = NOW) -> dict[str, str]:
    signature = Webhook(secret).sign(message_id, datetime.fromtimestamp(at, UTC), body.decode())
    return {"Webhook-Id": message_id, "Webhook-Timestamp": str(at), "Webhook-Signature": signature}


def test_the_official_library_believes_what_we_sign():
    signed = headers(SECRET, "msg_1", int(time.time()), BODY)

    assert Webhook(SECRET).verify(BODY, signed)["type"] == "run.completed"
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(BODY, signed)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY + b" ", signed)


def test_we_believe_what_the_official_library_signs():
    assert is_genuine(SECRET, theirs(SECRET), BODY, NOW)
    assert not is_genuine(OTHER, theirs(SECRET), BODY, NOW)
    assert theirs(SECRET)["Webhook-Signature"] == headers(SECRET, "msg_1", NOW, BODY)[SIGNATURE]


@pytest.mark.parametrize("body", [b"", b"\x00\xff\xfe no text", b"x" * 300_000], ids=["empty", "binary", "long"])
def test_a_body_is_signed_byte_for_byte(body):
    signed = headers(SECRET, "msg_1", NOW, body)
    assert is_genuine(SECRET, signed, body, NOW)
    assert not is_genuine(SECRET, signed, body + b"\n", NOW)


@pytest.mark.parametrize(("name", "value"), [(ID, "msg_2"), (TIMESTAMP, str(NOW + 1))])
def test_the_id_and_the_time_are_signed_too(name, value):
    assert not is_genuine(SECRET, headers(SECRET, "msg_1", NOW, BODY) | {name: value}, BODY, NOW)


def test_while_a_secret_is_changed_receivers_with_the_old_and_with_the_new_believe_the_same_message():
    at = int(time.time())
    signed = headers([SECRET, OTHER], "msg_1", at, BODY)

    assert len(signed[SIGNATURE].split(" ")) == 2
    for one in (SECRET, OTHER):
        assert is_genuine(one, signed, BODY, at)
        Webhook(one).verify(BODY, signed)
    assert not is_genuine(new_secret(), signed, BODY, at)


def test_while_a_secret_is_changed_a_receiver_may_know_both():
    assert is_genuine([OTHER, SECRET], headers(SECRET, "msg_1", NOW, BODY), BODY, NOW)
    assert not is_genuine([], headers(SECRET, "msg_1", NOW, BODY), BODY, NOW)


def test_signatures_of_other_kinds_beside_ours_do_no_harm():
    signed = headers(SECRET, "msg_1", NOW, BODY)
    signed[SIGNATURE] = f"v1a,aGVsbG8= {signed[SIGNATURE]} v2,"
    assert is_genuine(SECRET, signed, BODY, NOW)


@pytest.mark.parametrize("late_s", [-300, 300])
def test_a_message_is_good_for_five_minutes_in_both_directions(late_s):
    signed = headers(SECRET, "msg_1", NOW, BODY)
    assert is_genuine(SECRET, signed, BODY, NOW + late_s)
    assert not is_genuine(SECRET, signed, BODY, NOW + late_s * 1.01)
    assert is_genuine(SECRET, signed, BODY, NOW + late_s * 1.01, tolerance_s=600)
    assert not is_genuine(SECRET, signed, BODY, float("nan"))


GOOD = headers(SECRET, "msg_1", NOW, BODY)
FORGED = {
    "no headers": {},
    "no id": {ID: ""},
    "no time": {TIMESTAMP: ""},
    "no signature": {SIGNATURE: ""},
    "a time that is none": {TIMESTAMP: "now"},
    "a time with a fraction": {TIMESTAMP: f"{NOW}.0"},
    "a time with a sign": {TIMESTAMP: f"+{NOW}"},
    "a time with a blank": {TIMESTAMP: f" {NOW}"},
    "a time in other digits": {TIMESTAMP: "".join(chr(0x0660 + int(digit)) for digit in str(NOW))},
    "a time without end": {TIMESTAMP: "9" * 5_000},
    "an id with a dot": {ID: "msg.1"},
    "an id with a line end": {ID: "msg_1\n"},
    "an id without end": {ID: "m" * 10_000},
    "another version": {SIGNATURE: GOOD[SIGNATURE].replace("v1,", "v0,")},
    "no version": {SIGNATURE: GOOD[SIGNATURE].removeprefix("v1,")},
    "a comma alone": {SIGNATURE: "v1,"},
    "half of it": {SIGNATURE: GOOD[SIGNATURE][:20]},
    "no Base64": {SIGNATURE: "v1,****"},
    "no ASCII": {SIGNATURE: "v1,é\ud800"},
    "in hex": {SIGNATURE: f"v1,{base64.b64decode(GOOD[SIGNATURE][3:]).hex()}"},
    "behind too many others": {SIGNATURE: "v1,x " * 16 + GOOD[SIGNATURE]},
}


@pytest.mark.parametrize("changed", FORGED.values(), ids=FORGED)
def test_a_forged_message_is_not_genuine(changed):
    assert is_genuine(SECRET, GOOD, BODY, NOW)
    assert not is_genuine(SECRET, GOOD | changed if changed else {}, BODY, NOW)


def test_an_id_and_a_body_cannot_be_cut_apart_at_another_place():
    """What is signed has dots between its parts: id "a", body "2.b" and id "a.1", body "b" would be the same text."""
    signed = headers(SECRET, "msg_1", NOW, f"{NOW + 1}.rest".encode())
    moved = signed | {ID: f"msg_1.{NOW}", TIMESTAMP: str(NOW + 1)}
    assert not is_genuine(SECRET, moved, b"rest", NOW)
    with pytest.raises(AssertionError):
        headers(SECRET, "msg.1", NOW, BODY)


def test_a_message_that_nobody_signs_is_a_mistake():
    with pytest.raises(AssertionError):
        headers([], "msg_1", NOW, BODY)


def test_a_new_secret_is_long_and_never_the_same():
    found = {new_secret() for _ in range(100)}
    assert len(found) == 100
    assert all(len(base64.b64decode(one.removeprefix("whsec_"), validate=True)) == 32 for one in found)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "hunter2-hunter2-hunter2-hunter2",
        "whsec_hunter2-hunter2-hunter2-hunter2",
        f"whsec_{base64.b64encode(b'x' * 23).decode()}",
        f"whsec_{base64.b64encode(b'x' * 65).decode()}",
        f"WHSEC_{base64.b64encode(b'x' * 32).decode()}",
        f"whsk_{base64.b64encode(b'x' * 32).decode()}",
        f"{SECRET}\n",
        f"{SECRET}é",
    ],
    ids=range(10),
)
def test_what_is_no_secret_is_refused_and_not_said_again(secret):
    for call in (lambda: headers([SECRET, secret], "m", NOW, BODY), lambda: is_genuine([secret], GOOD, BODY, NOW)):
        with pytest.raises(SettingInvalid, match="no secret of a webhook") as refused:
            call()
        assert "hunter2" not in str(refused.value) and not refused.value.details
        assert refused.value.__cause__ is None and refused.value.__context__ is None
