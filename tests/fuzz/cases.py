"""Requests that the description of the API allows, and such that it forbids, sent to an app in this process."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import DrawFn, SearchStrategy, composite
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.errors import InvalidSchema
from schemathesis.core.parameters import ParameterLocation
from schemathesis.python import asgi
from schemathesis.specs.openapi import checks

from api.access import KeptToken
from api.mlflow.base import MLFLOW_PREFIX
from api.v1.base import V1_PREFIX
from tests.api.conftest import TOKEN, an_app
from tests.fuzz.workspace import Furnished

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
_WAIT_S = 60.0  # how fast an answer is, is not what this is about
_SETTINGS = settings(
    database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), print_blob=False
)


@dataclass
class Answers:
    """What was answered, and what of it should not have been."""

    statuses: Counter[int] = field(default_factory=Counter)
    routes: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Answers) -> None:
        self.statuses += other.statuses
        self.routes |= other.routes
        self.wrong += other.wrong

    @property
    def cases(self) -> int:
        return sum(self.statuses.values())

    def line(self) -> str:
        """All of it in one line."""
        by_status = ", ".join(f"{count:,} x {status}" for status, count in sorted(self.statuses.items()))
        return f"{self.cases:,} requests to {len(self.routes)} routes: {by_status}; {len(self.wrong)} wrong"


def ask_all(folder: Path, number: int, slices: int, cases: int, first_seed: int, at_least: int = 0) -> Answers:
    """Ask each route of a slice of all so many times, half of it with what its description forbids.

    at_least   times in all: of some routes there are not so many requests, and then all are asked some more
    """
    total = Answers()
    with _workspace(folder) as app:
        # Who may ask is not what this is about: without it no case leaves the token out.
        description = {key: value for key, value in app.openapi().items() if key != "security"}
        schema = schemathesis.openapi.from_dict(description)
        operations = [found.ok() for found in schema.get_all_operations()][number::slices]
        furnished = Furnished(app)
        while True:
            for place, operation in enumerate(operations):
                if operation.method == "get":
                    total.add(_asked(app, furnished, operation, cases, first_seed + place))
                    continue
                # A workspace of its own: what one route has deleted must not be missed by the next one's requests.
                with _workspace(folder) as own:
                    total.add(_asked(own, Furnished(own), operation, cases, first_seed + place))
            if total.cases >= at_least:
                return total
            cases, first_seed = 2 + (at_least - total.cases) // len(operations), first_seed + len(operations)


@contextmanager
def _workspace(folder: Path) -> Iterator[FastAPI]:
    with tempfile.TemporaryDirectory(dir=folder) as own, an_app(Path(own), KeptToken(TOKEN, "me")) as app:
        yield app


def _asked(app: FastAPI, furnished: Furnished, operation: Any, cases: int, first_seed: int) -> Answers:
    modes = [GenerationMode.POSITIVE]
    if operation.body or operation.query:  # else all that could be sent is allowed
        modes.append(GenerationMode.NEGATIVE)
    answers = Answers()
    with asgi.get_client(app, max_stream_events=None) as client:
        client.trust_env = False  # else it looks for a .netrc before each request
        for mode in modes:
            ask = _asking(client, furnished, operation, mode, answers, first_seed)
            given_so = given(case=_made_up(operation.as_strategy(generation_mode=mode)))
            try:
                settings(_SETTINGS, max_examples=cases // len(modes))(seed(first_seed)(given_so(ask)))()
            except Unsatisfiable:
                pass  # nothing that could be sent to it is forbidden
            except (Exception, BaseExceptionGroup) as error:
                leaves = _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
                answers.wrong += [
                    f"{operation.label} ({mode.value}, seed {first_seed}): {one!r}: {one}" for one in leaves
                ]
    return answers


@composite
def _made_up(draw: DrawFn, cases: SearchStrategy[Any]) -> Any:
    """A case; another one where schemathesis has asked itself for what no body can be, such as of a schema in itself."""
    try:
        return draw(cases)
    except InvalidSchema:
        reject()


def _asking(
    client: Any, furnished: Furnished, operation: Any, mode: GenerationMode, answers: Answers, first_seed: int
) -> Callable[[Any], None]:
    chance = random.Random(f"{operation.label} {first_seed}")

    def ask(case: Any) -> None:
        case.path_parameters = furnished.in_path(operation.path, case.path_parameters or {}, chance)
        if mode is GenerationMode.POSITIVE:
            case.body = furnished.in_body(case.body, chance)
        response = case.call(session=client, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=_WAIT_S)
        answers.statuses[response.status_code] += 1
        answers.routes.add(operation.label)
        case.validate_response(response, checks=_checks(case, mode))

    return ask


def _checks(case: Any, mode: GenerationMode) -> list[Any]:
    """What an answer is held to. A body must be what is described; what a query says beside that is nobody's business,
    and v1's own routes and MLflow's take what those took.
    """
    of_body = mode is GenerationMode.NEGATIVE and case.meta.is_negative_at(ParameterLocation.BODY)
    is_ours = not case.operation.path.startswith((V1_PREFIX, MLFLOW_PREFIX))
    return [*CHECKS, checks.negative_data_rejection] if of_body and is_ours else CHECKS


def _leaves(group: BaseExceptionGroup) -> Iterable[BaseException]:
    for inner in group.exceptions:
        if isinstance(inner, BaseExceptionGroup):
            yield from _leaves(inner)
        else:
            yield inner
