"""What pydantic finds wrong with what others have sent, in words for who has sent it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "missing": "it must be there",
    "extra_forbidden": "there is no such key here",
    "model_attributes_type": "it must be a JSON object, sent with Content-Type: application/json",
}


def in_words(fault: Mapping[str, Any], forms: Mapping[str, str] | None = None) -> str:
    """One of `ValidationError.errors()`: where it is, and what is wrong. What was sent is not repeated.

    forms   what is said of a text by the name of its field, in the place of a pattern that nobody can read

    >>> in_words({"loc": ("body", "ExperimentName"), "type": "missing", "msg": "Field required"})
    'body.ExperimentName: it must be there'
    >>> in_words({"loc": ("id",), "type": "string_pattern_mismatch", "msg": "..."}, {"id": "this is no id"})
    'id: this is no id'
    """
    place, kind = fault["loc"], fault["type"]
    said = _WORDS.get(kind) or str(fault["msg"]).removeprefix("Value error, ")
    if kind == "string_pattern_mismatch" and forms and place:
        said = forms.get(str(place[-1]), said)
    return f"{'.'.join(map(str, place)) or 'the message'}: {said}"
