"""Secrets are hidden in every form that programs give them, wherever what is written was split."""

from __future__ import annotations

import base64
import html
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canalis.contract.masking import MASK, SECRET_MIN, Mask, Stream, hidden_lines

SECRET = 'pa55/w0rd+"ünd" \\ & more'
SECRETS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Zs", "Zl", "Zp", "Cc")), min_size=SECRET_MIN, max_size=24
)


def written(secret: str) -> dict[str, bytes]:
    """What programs make of a secret among other things."""
    data = secret.encode()
    return {
        "plain": f"password={secret};".encode(),
        "percent": quote(secret, safe="").encode(),
        "percent in a path": quote(secret).encode(),
        "percent, small": quote(secret, safe="").lower().encode() if secret.isascii() and secret.islower() else b"",
        "plus form": f"a=1&key={quote_plus(secret)}&b=2".encode(),
        "JSON": json.dumps({"key": secret}).encode(),
        "JSON in its own letters": json.dumps({"key": secret}, ensure_ascii=False).encode(),
        "JSON in JSON": json.dumps(json.dumps({"key": secret})).encode(),
        "HTML": html.escape(secret).encode(),
        "Python": repr(secret)[1:-1].encode(),
        "hex": data.hex().encode(),
        "HEX": data.hex().upper().encode(),
        **{f"Base64 behind {n}": base64.b64encode(b"u" * n + data + b"v") for n in range(3)},
        **{f"Base64 for the web behind {n}": base64.urlsafe_b64encode(b"u" * n + data) for n in range(3)},
    }


def bare(secret: str) -> set[bytes]:
    """What must not be seen of any of these."""
    data = secret.encode()
    cores = {base64.b64encode(bytes(n) + data)[-(-8 * n // 6) : (n + len(data)) * 8 // 6] for n in range(3)}
    return {
        data, quote(secret, safe="").encode(), quote_plus(secret).encode(), json.dumps(secret)[1:-1].encode(),
        data.hex().encode(), data.hex().upper().encode(), *cores,
        *(core.replace(b"+", b"-").replace(b"/", b"_") for core in cores),
    }  # fmt: skip


@pytest.mark.parametrize("form", written(SECRET))
def test_a_secret_is_hidden_in_every_form_and_what_is_around_it_stays(form):
    said = b"before " + written(SECRET)[form] + b" after"
    blanked = Mask([SECRET]).blanked(said)
    assert not [seen for seen in bare(SECRET) if seen in blanked]
    assert len(blanked) == len(said) and blanked.startswith(b"before ") and blanked.endswith(b" after")


@given(SECRETS, st.data())
@settings(max_examples=40, deadline=None)
def test_no_point_where_it_is_split_lets_a_secret_through(secret, data):
    mask = Mask([secret, "another secret of the workspace"])
    forms = list(written(secret).values())
    said = b"x".join(forms) + secret.encode()
    places = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=12)))
    stream = Stream(mask)
    shown = [stream.put(said[begin:end]) for begin, end in zip([0, *places], [*places, len(said)], strict=True)]
    shown.append(stream.end())
    assert b"".join(shown) == mask.blanked(said), "it does not matter where it was split"
    assert not [seen for seen in bare(secret) if seen in b"".join(shown)]


def test_each_place_to_split_each_form():
    mask = Mask([SECRET])
    for said in written(SECRET).values():
        for place in range(len(said) + 1):
            stream = Stream(mask)
            assert stream.put(said[:place]) + stream.put(said[place:]) + stream.end() == mask.blanked(said)


def test_byte_by_byte_nothing_is_kept_back_that_cannot_become_a_secret():
    stream, shown = Stream(Mask(["correct horse battery"])), b""
    for at, byte in enumerate(b"a line\ncorrect hat\ncorrect horse battery\n"):
        shown += stream.put(bytes([byte]))
        if at == len("a line"):
            assert shown == b"a line\n"
    assert shown == b"a line\ncorrect hat\n*********************\n"


def test_secrets_that_overlap_are_hidden_both():
    assert Mask(["abcdefgh", "efghijkl"]).hidden("xabcdefghijklx") == f"x{MASK}x"
    stream = Stream(Mask(["abcdefgh", "efghijkl"]))
    assert stream.put(b"xabcdefgh") + stream.put(b"y") + stream.end() == b"x********y"


def test_each_line_of_a_secret_is_one():
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n"
    assert Mask([key]).hidden("line 2: kqhkiG9w0BAQEF!") == f"line 2: {MASK}!"
    assert Mask([key]).hidden(f"<{key}>") == f"<{MASK}\n>"


@pytest.mark.parametrize("secret", ["", "a", "short", "  ab \n"])
def test_what_is_too_short_is_not_hidden(secret):
    assert not Mask([secret])
    assert Mask([secret]).hidden(f"{secret} of all") == f"{secret} of all"


def test_lines_of_json_stay_such():
    lines = b'{"name": "x", "value": "a\\nsecret-b"}\n{"value": 1}\n{"half'
    assert (
        hidden_lines(Mask(["nsecret-b", "secret-b"]), lines)
        == b'{"name": "x", "value": "a\\n***"}\n{"value": 1}\n{"half'
    )


def test_a_secret_of_25_kb_is_hidden_without_much_ado():
    secret = "".join(f"{number:05d}/" for number in range(4200))
    started = time.perf_counter()
    stream = Stream(Mask([secret]))
    data = f"x{secret}y".encode()
    shown = b"".join(stream.put(data[at : at + 5000]) for at in range(0, len(data), 5000)) + stream.end()
    assert shown == b"x" + b"*" * len(secret) + b"y"
    assert time.perf_counter() - started < 10
