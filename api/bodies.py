"""JSON that is sent to us: read so that everything which is kept of it can be given back later, or refused."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Body, Request
from pydantic import AfterValidator

from canalis.contract.errors import TooLarge
from canalis.contract.json_text import read_json

BYTES_MAX = 64 * 2**20  # a graph of 50,000 steps has about half of that; files have no limit


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


def _finite(document: dict[str, Any]) -> dict[str, Any]:
    json.dumps(document, allow_nan=False)  # raises ValueError
    return document


# A document that is kept as it comes, and given back as JSON, which has no nan and no infinities.
AnyDocument = Annotated[dict[str, Any], Body(), AfterValidator(_finite)]
