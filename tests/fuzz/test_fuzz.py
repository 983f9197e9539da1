"""Whatever is sent to a route, its answer is one that its description promises, and none says that we are broken."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter

from api.access import GuardedRoute, Role, needs
from api.app import PREFIX, _all_routes
from tests.fuzz.cases import ask_all
from tests.fuzz.cores import ask_on_cores

SLICES = 8
CASES = 74  # asked of each route, and then some more until there are enough
CASES_MIN = 1_250  # in a slice: 10,000 in all


class Unfurnished:
    """A workspace that has nothing, so that requests stay as they were made up."""

    @staticmethod
    def in_path(path: str, values: dict[str, Any], chance: object) -> dict[str, Any]:
        return values

    @staticmethod
    def in_body(value: Any, chance: object) -> Any:
        return value


@pytest.mark.parametrize("number", range(SLICES))
def test_no_request_is_answered_otherwise_than_described(tmp_path: Path, number: int):
    answers = ask_all(tmp_path, number, SLICES, CASES, first_seed=1, at_least=CASES_MIN)
    print(answers.line())
    assert answers.wrong == [], "\n\n".join(answers.wrong)
    assert answers.cases >= CASES_MIN and answers.statuses[200] > 100, answers.line()


@pytest.mark.soak
def test_no_request_of_a_hundred_thousand_is_answered_otherwise_than_described():
    answers = ask_on_cores(100_000, 1_000, processes=2)
    print(f"\n{answers.line()}")
    assert answers.wrong == [], "\n\n".join(answers.wrong)
    assert answers.cases >= 100_000


def test_an_answer_that_is_not_described_and_one_of_a_broken_service_are_noticed(tmp_path: Path, monkeypatch):
    router = APIRouter(prefix=PREFIX, route_class=GuardedRoute, tags=["broken"])

    @router.get("/a-number", dependencies=[needs(Role.READER)], response_model=None, responses={200: {"model": int}})
    def a_number() -> str:
        return "seven"

    @router.get("/breaks", dependencies=[needs(Role.READER)])
    def breaks(divisor: int) -> float:
        return 1 / (divisor * 0)

    monkeypatch.setattr("api.app._NOUNS", (SimpleNamespace(router=router),))
    monkeypatch.setattr("api.app._all_routes", _all_routes.__wrapped__)  # not those of other tests
    monkeypatch.setattr("tests.fuzz.cases.Furnished", lambda app: Unfurnished)
    answers = ask_all(tmp_path, 0, 1, 6, first_seed=1)
    said = "\n".join(answers.wrong)
    assert "/a-number" in said and "is not of type" in said and "/breaks" in said and "ZeroDivisionError" in said
