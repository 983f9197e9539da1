"""Keys as Azure Table storage has them, which refuses some characters. Pure.

They are written in an encoding of ours. It keeps the order of code points and what begins how, so that ranges of keys
stay ranges; and what it writes has no quote, so that a key can end no text in a query. Letters, digits and most signs
stand for themselves: `try:train:001` is written so.
"""

from __future__ import annotations

import re

from adapters.tables.table import KEY_BYTES_MAX
from canalis.contract.errors import TooLarge


def _byte_codes() -> list[str]:
    """What each byte of a key's UTF-8 is written as, in the same order."""
    codes = [chr(byte) for byte in range(128)] + [""] * 128
    for byte in range(0x22):  # control characters, the blank and "!"
        codes[byte] = f"!{byte:02X}"
    for byte in range(0x7E, 256):  # "~" and what is no ASCII
        codes[byte] = f"~{byte:02X}"
    for refused in b"#%'/?\\":
        before = chr(refused - 1)  # the one place in the order where it can go
        codes[refused - 1], codes[refused] = f"{before}0", f"{before}1"
    return codes


_CODES = _byte_codes()
_BYTES = {code: byte for byte, code in enumerate(_CODES)}
_CODE_AT = re.compile("|".join(sorted(map(re.escape, _BYTES), key=len, reverse=True)))


def encoded(key: str) -> str:
    """The key as Azure has it. Raises TooLarge."""
    text = "".join(map(_CODES.__getitem__, key.encode("utf-8", "surrogatepass")))
    if 2 * len(text) > KEY_BYTES_MAX:
        raise TooLarge(f"The name {key[:40]}... is too long to be stored: {len(key)} characters", length=len(key))
    return text


def decoded(text: str) -> str:
    """The key that was written so."""
    return bytes(_BYTES[code] for code in _CODE_AT.findall(text)).decode("utf-8", "surrogatepass")


def beyond(prefix: str) -> str:
    """The first text, as Azure has it, after all keys that begin so; `prefix` is not empty."""
    beginning = encoded(prefix)  # its last character is never "~", nor one that goes before a refused one
    return f"{beginning[:-1]}{chr(ord(beginning[-1]) + 1)}"
