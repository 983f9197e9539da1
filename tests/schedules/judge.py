"""The walk against the oracle: what it missed and what it fired too often, counted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile

from orchestrator.schedules.firings import firings
from tests.schedules.corpus import begun_at, in_zone
from tests.schedules.oracle import EPOCH, Rule, Transition, Window, expected

HOUR_S, DAY_S = 3600, 86_400
ANCHOR_AT = 951_782_399.5  # a second before 29 February 2000 in UTC

Walk = Callable[[Rule, float, float], Iterator[float]]


@dataclass
class Tally:
    """What came of it.

    walk      what is judged
    begun     recurrences that began while clocks were set, beside `rules`, those of the corpus
    doubled   fired and not meant: a second time, or at another moment
    wrong     what went wrong, in words
    """

    walk: Walk = firings
    transitions: int = 0
    rules: set[Rule] = field(default_factory=set)
    begun: int = 0
    windows: int = 0
    fired: int = 0
    missed: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """All of it in one line."""
        return (
            f"{self.transitions} transitions, {len(self.rules)} rules and {self.begun} begun at transitions, "
            f"{self.windows} windows, {self.fired} firings compared: {self.missed} missed, {self.doubled} doubled"
        )

    def compare(self, rule: Rule, anchor_at: float, window: Window, after: int, until: int, *also: int) -> None:
        """Hold the walk against the oracle, from `after` and from moments in the midst."""
        meant = [at for at in expected(rule, anchor_at, window) if after < at <= until]
        for begin in (after, *also):
            of_these = [at for at in meant if at > begin]
            found = list(takewhile(lambda at: at <= until, self.walk(rule, anchor_at, begin)))
            self.windows += 1
            self.fired += len(found)
            if found != of_these:
                missed, extra = set(of_these) - set(found), set(found) - set(of_these)
                self.missed += len(missed)
                self.doubled += len(extra) + len(found) - len(set(found))
                told = (
                    f"missed {sorted(missed)}, not meant {sorted(extra)}" if missed or extra else "twice or in disorder"
                )
                self.wrong.append(f"{rule!r} made at {anchor_at}, from {begin}: {told}")

    def around(self, one: Transition, rules: Sequence[Rule], chance: random.Random) -> None:
        """What the rules do while the clocks of a zone are set."""
        width_s = HOUR_S + abs(one.after_s - one.before_s)
        begin, end = one.at - width_s, one.at + width_s
        window = Window(one.zone, begin, end)
        self.transitions += 1
        self.rules |= set(rules)
        for rule in rules:
            # Most schedules were made long ago, some an hour or so before.
            anchor_at = chance.choice((ANCHOR_AT, begin + chance.randrange(2 * width_s) + 0.25))
            also = [chance.randrange(begin, end)] if chance.random() < 0.4 else []
            self.compare(in_zone(rule, one.zone), anchor_at, window, begin - 1, end, *also)

    def begun_around(self, one: Transition, chance: random.Random) -> None:
        """What recurrences do that begin at a time to or from which the clocks are set, or near it."""
        begin, end = one.at - 27 * HOUR_S, one.at + 27 * HOUR_S
        window = Window(one.zone, begin, end)
        lowest, highest = sorted((one.before_s, one.after_s))
        shown = chance.randrange(one.at + lowest - HOUR_S, one.at + highest + HOUR_S) // 60 * 60
        start = EPOCH + timedelta(seconds=shown + chance.choice((0, 0, 17)))
        for rule in begun_at(start.isoformat()):
            self.begun += 1
            self.compare(in_zone(rule, one.zone), one.at, window, begin, end, chance.randrange(begin, end))

    def through(self, zone: str, begin: datetime, days: int, most: int, rules: Iterable[Rule]) -> None:
        """What those of the rules do for so many days that fire at most so often in them."""
        chance = random.Random(days)
        at = int(begin.timestamp())
        until = at + days * DAY_S
        window = Window(zone, at, until)
        for rule in (in_zone(rule, zone) for rule in rules):
            if len(expected(rule, ANCHOR_AT, window)) <= most:
                self.compare(rule, ANCHOR_AT, window, at, until, chance.randrange(at, until))
