"""A failing schedule made small: as few choices that are not benign as possible, and the story they tell."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation.schedule import Outcome, run_seed

REPLAYS_MAX = 3000


def shrink(choices: Sequence[int], invariant: str) -> list[int]:
    """Choices that break the same invariant, with zeros in the place of all that are not needed."""
    shrinking = _Shrinking(list(choices), invariant)
    shrinking.cut_tail()
    size = max(1, len(shrinking.best) // 2)
    while size >= 1:
        shrinking.zero_blocks(size)
        size //= 2
    shrinking.lower()
    shrinking.cut_tail()
    return shrinking.best


def replay(choices: Sequence[int], log: bool = False) -> Outcome:
    """The schedule of these choices."""
    return run_seed(0, replay=choices, log=log)


def story(choices: Sequence[int]) -> str:
    """What happens in a schedule, line by line, and what it breaks."""
    outcome = replay(choices, log=True)
    chosen = {number: choice for number, choice in enumerate(choices) if choice}
    broken = f"breaks {outcome.violation}" if outcome.violation else f"breaks nothing; the run is {outcome.status}"
    return "\n".join((*outcome.log, f"{len(chosen)} choices that are not benign (by number): {chosen}", broken))


class _Shrinking:
    def __init__(self, choices: list[int], invariant: str) -> None:
        self.best = choices
        self._invariant = invariant
        self._left = REPLAYS_MAX

    def try_it(self, choices: list[int]) -> bool:
        """Whether these break the same; then they are the best so far."""
        if choices == self.best or self._left <= 0:
            return False
        self._left -= 1
        try:
            violation = replay(choices).violation
        except Exception:
            return False
        if violation is None or violation.invariant != self._invariant:
            return False
        self.best = choices
        return True

    def cut_tail(self) -> None:
        """Without the choices at the end that do not matter."""
        while self.best and self.best[-1] == 0:
            self.best = self.best[:-1]
        kept = len(self.best) // 2
        while kept and self.try_it(self.best[:kept]):
            kept = len(self.best) // 2

    def zero_blocks(self, size: int) -> None:
        """With zeros in the place of each block that does not matter."""
        for start in range(0, len(self.best), size):
            block = self.best[start : start + size]
            if any(block):
                self.try_it(self.best[:start] + [0] * len(block) + self.best[start + size :])

    def lower(self) -> None:
        """With smaller choices where they do as well."""
        for number, choice in enumerate(self.best):
            for lower in range(1, choice):
                if self.try_it([*self.best[:number], lower, *self.best[number + 1 :]]):
                    break
