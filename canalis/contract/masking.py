"""Hides secrets in what others write: in plain, and in the forms that programs give them on the way.

    mask = Mask(["pa55/word"])
    mask.hidden("https://ann:pa55%2Fword@host")     'https://ann:***@host'
    mask.blanked(b"read pa55/word")                 b"read *********": as long as before
    Stream(mask)                                    the same for what comes in pieces, wherever it was split

All forms of all secrets are looked for in one pass. What a form is: `forms`. What is shorter than SECRET_MIN characters
is not hidden, since it would hide half of everything.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from ahocorasick_rs import BytesAhoCorasick

MASK = "***"
SECRET_MIN = 6  # characters
AUTHORS = "secret "  # what the names begin with of those secrets in a vault that authors keep, and that are masked
TARGETS = AUTHORS + "of target "  # of those that open compute targets: masked as well, and given to nobody

_ANCHOR_BYTES = 6
_DFA_BYTES = 64 * 2**10  # of all forms: a table for more of them would be large, and slow to make
_PERCENT = re.compile("%[0-9A-F]{2}")
_SAFE = ("", "/", "!'()*", ";,/?:@&=+$!~*'()#")  # what encoders leave as it is: ours, JavaScript's two

Span = tuple[int, int]


def forms(secret: str) -> frozenset[bytes]:
    """How a secret may be written: in plain, URL-encoded, in JSON, HTML and Python, in Base64 and hex.

    Base64 is looked for in the middle of what else was encoded along, at each of the three places where it may begin
    there. Each line of a secret of several lines counts as one more; forms that are too short are none.

    >>> sorted(forms("a=secret"))[2:5]
    [b'613D736563726574', b'613d736563726574', b'E9c2VjcmV0']
    """
    whole = {secret.strip(), *(line.strip() for line in secret.splitlines())}
    found: set[bytes] = set()
    for text in whole:
        if len(text) >= SECRET_MIN:
            found |= _of_text(text) | _of_bytes(text.encode())
    return frozenset(form for form in found if len(form) >= _ANCHOR_BYTES)


def _of_text(text: str) -> set[bytes]:
    quoted = {quote(text, safe=safe) for safe in _SAFE} | {quote_plus(text)}
    quoted.add("".join(f"%{byte:02X}" for byte in text.encode()))
    quoted |= {_PERCENT.sub(lambda found: found[0].lower(), one) for one in quoted}
    in_json = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    in_json |= {one.replace("/", "\\/") for one in in_json}
    twice = {json.dumps(one)[1:-1] for one in in_json}
    others = {repr(text)[1:-1], ascii(text)[1:-1], html.escape(text), html.escape(text, quote=False)}
    return {one.encode() for one in {text, *quoted, *in_json, *twice, *others}}


def _of_bytes(data: bytes) -> set[bytes]:
    found = {data.hex().encode(), data.hex().upper().encode()}
    for before in range(3):
        written = base64.b64encode(bytes(before) + data)
        # Without the letters that hold bits of what stands before or behind it.
        core = written[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        found |= {core, core.replace(b"+", b"-").replace(b"/", b"_")}
    return found


class Mask:
    """Finds all forms of some secrets. Never changes, so that many threads may share it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms = sorted(frozenset[bytes]().union(*map(forms, secrets)))
        self.longest = max(map(len, self._forms), default=0)  # of the forms, in bytes

    def __bool__(self) -> bool:
        """Whether there is anything to hide."""
        return bool(self._forms)

    def spans(self, data: bytes) -> list[Span]:
        """Where forms stand, as (begin, end), joined where they overlap."""
        if not self._forms or not data:
            return []
        return _joined([(begin, end) for _, begin, end in self._finder.find_matches_as_indexes(data, overlapping=True)])

    def blanked(self, data: bytes) -> bytes:
        """The same number of bytes, with a star for each one of a secret."""
        return _starred(data, self.spans(data))

    def hidden(self, text: str) -> str:
        """The text with `***` in the place of each secret."""
        data = text.encode("utf-8", "surrogatepass") if self._forms else b""
        spans = self.spans(data)
        if not spans:
            return text
        parts, at = [], 0
        for begin, end in spans:
            parts.append(data[at:begin])
            at = end
        return MASK.encode().join([*parts, data[at:]]).decode("utf-8", "surrogatepass")

    def hidden_in(self, value: Any) -> Any:
        """A JSON value with every text in it hidden, names included."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self.hidden(value)
        if isinstance(value, list):
            return [self.hidden_in(inner) for inner in value]
        if isinstance(value, dict):
            return {self.hidden(name): self.hidden_in(inner) for name, inner in value.items()}
        return value

    def unsure(self, data: bytes) -> int:
        """How many of the last bytes may be the beginning of a secret that goes on in what comes next."""
        end = data[max(0, len(data) - self.longest + 1) :]
        if not self._forms or not end:
            return 0
        for _, begin, _ in self._anchors.find_matches_as_indexes(end, overlapping=True):
            rest = end[begin:]
            if any(len(form) > len(rest) and form.startswith(rest) for form in self._anchored[rest[:_ANCHOR_BYTES]]):
                return len(rest)
        most = min(_ANCHOR_BYTES - 1, len(end))
        return next((size for size in range(most, 0, -1) if end[-size:] in self._short), 0)

    @cached_property
    def _finder(self) -> BytesAhoCorasick:
        return _automaton(self._forms)

    @cached_property
    def _anchored(self) -> dict[bytes, list[bytes]]:
        found = defaultdict(list)
        for form in self._forms:
            found[form[:_ANCHOR_BYTES]].append(form)
        return found

    @cached_property
    def _anchors(self) -> BytesAhoCorasick:
        return _automaton(sorted(self._anchored))

    @cached_property
    def _short(self) -> frozenset[bytes]:
        return frozenset(anchor[:size] for anchor in self._anchored for size in range(1, _ANCHOR_BYTES))


class Stream:
    """Hides secrets in what comes piece by piece. Keeps back no more than what may still become a secret.

    Nothing is given out for having waited: who writes half of a secret, rests and writes the other half, must not
    have shown it then.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._kept = b""
        self._known: list[Span] = []  # what in `_kept` belongs to a secret that began before it

    def put(self, piece: bytes) -> bytes:
        """What of all that came is sure by now, with secrets blanked."""
        data = self._kept + piece
        spans = _joined(self._known + self._mask.spans(data))
        sure = len(data) - self._mask.unsure(data)
        self._kept = data[sure:]
        self._known = [(max(0, begin - sure), end - sure) for begin, end in spans if end > sure]
        return _starred(data, spans)[:sure]

    def change(self, mask: Mask) -> None:
        """Look for what this mask hides from now on, also in what is kept back."""
        self._mask = mask

    def end(self) -> bytes:
        """The rest, since nothing comes after it."""
        rest = _starred(self._kept, _joined(self._known + self._mask.spans(self._kept)))
        self._kept, self._known = b"", []
        return rest


def hidden_lines(mask: Mask, lines: bytes) -> bytes:
    """Whole lines of JSON with every text in them hidden; what is no JSON is blanked as it is."""
    if not mask.spans(lines):
        return lines
    found = []
    for line in lines.splitlines(keepends=True):
        if not mask.spans(line):
            found.append(line)
            continue
        try:
            found.append(json.dumps(mask.hidden_in(json.loads(line))).encode() + b"\n")
        except (ValueError, RecursionError):
            found.append(mask.blanked(line))
    return b"".join(found)


def _automaton(patterns: list[bytes]) -> BytesAhoCorasick:
    from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

    is_small = sum(map(len, patterns)) <= _DFA_BYTES
    made_as = Implementation.DFA if is_small else Implementation.ContiguousNFA
    return BytesAhoCorasick(patterns, matchkind=MatchKind.Standard, implementation=made_as)


def _joined(spans: list[Span]) -> list[Span]:
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def _starred(data: bytes, spans: list[Span]) -> bytes:
    if not spans:
        return data
    found = bytearray(data)
    for begin, end in spans:
        found[begin:end] = b"*" * (end - begin)
    return bytes(found)
