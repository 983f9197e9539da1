"""JSON that is sent to us: read so that everything which is kept of it can be given back later, or refused."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Body, Request
from pydantic import AfterValidator

from canalis.contract.errors import BadRequest, TooLarge

BYTES_MAX = 64 * 2**20  # a graph of 50,000 steps has about half of that; files have no limit
DEPTH_MAX = 64


class JsonRequest(Request):
    """A request whose body is JSON, not larger than is stated."""

    async def body(self) -> bytes:
        """The whole body. Raises TooLarge, once all of it has come: who is still sending does not hear an answer."""
        if not hasattr(self, "_body"):
            pieces, size = list[bytes](), 0
            async for piece in self.stream():
                size += len(piece)
                if size <= BYTES_MAX:
                    pieces.append(piece)
            if size > BYTES_MAX:
                raise TooLarge(f"The body has {size} bytes; JSON may have {BYTES_MAX}", bytes_max=BYTES_MAX)
            self._body = b"".join(pieces)
        return self._body

    async def json(self) -> Any:
        """The body as a value. Raises BadRequest."""
        if not hasattr(self, "_json"):
            self._json = read_json(await self.body())
        return self._json

    @property
    def is_json(self) -> bool:
        """Whether it says that it is."""
        return "json" in self.headers.get("content-type", "").lower()


def read_json(body: bytes) -> Any:
    """The value of a JSON text. Raises BadRequest for one that others read otherwise, or that nobody could write again.

    That is: a key twice in an object, numbers of thousands of digits, half of a surrogate pair, nesting without end.
    """
    try:
        value = json.loads(body, object_pairs_hook=_object)
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


_TOO_DEEP = f"The body is nested more than {DEPTH_MAX} levels deep"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"a key stands twice in an object: {', '.join(sorted({key for key, _ in pairs})[:20])}")
    return found


def _finite(document: dict[str, Any]) -> dict[str, Any]:
    json.dumps(document, allow_nan=False)  # raises ValueError
    return document


# A document that is kept as it comes, and given back as JSON, which has no nan and no infinities.
AnyDocument = Annotated[dict[str, Any], Body(), AfterValidator(_finite)]
