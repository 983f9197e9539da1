"""JSON that is sent to us: read so that everything which is kept of it can be given back later, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

from canalis.contract.errors import BadRequest

DEPTH_MAX = 64

_TOO_DEEP = f"The body is nested more than {DEPTH_MAX} levels deep"


def read_json(body: bytes, has_constants: bool = True) -> Any:
    """The value of a JSON text. Raises BadRequest for one that others read otherwise, or that nobody could write again.

    That is: a key twice in an object, numbers of thousands of digits, half of a surrogate pair, nesting without end,
    and what is not UTF-8.

    has_constants   whether NaN and the infinities are taken, which JSON does not have
    """
    constant: Callable[[str], Any] | None = None if has_constants else _no_number
    try:
        # Decoded here: json would take UTF-16 as well, and then an escape of half a character is not found below.
        value = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=constant)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadRequest("The body has half of a character (a lone surrogate) in a text") from None
    except RecursionError:
        raise BadRequest(_TOO_DEEP) from None
    except ValueError as error:
        raise BadRequest(f"The body is no JSON that can be read: {error}") from None
    level, depth = [value] if isinstance(value, (dict, list)) else [], 0
    while level:
        depth += 1
        if depth > DEPTH_MAX:
            raise BadRequest(_TOO_DEEP)
        within = (inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer))
        level = [inner for inner in within if isinstance(inner, (dict, list))]
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"a key stands twice in an object: {', '.join(sorted({key for key, _ in pairs})[:20])}")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
