"""The app: every route in one place, each refused to everybody unless it says who may use it."""

from __future__ import annotations

from functools import cache, partial

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from api import (
    changes,
    children,
    comparing,
    computes,
    datasets,
    datastores,
    drafts,
    drawings,
    endpoints,
    errors,
    health,
    interactive,
    models,
    named,
    pipelines,
    portal,
    reasons,
    retention,
    runs,
    schedules,
    secrets,
    sign_ins,
    snapshots,
    submissions,
    webhooks,
    workspace,
)
from api.access import Guard, GuardedRoute
from api.description import described, operation_id
from api.mlflow import artifacts as mlflow_artifacts
from api.mlflow import experiments as mlflow_experiments
from api.mlflow import logged_models as mlflow_models
from api.mlflow import runs as mlflow_runs
from api.mlflow.base import MLFLOW_PREFIX
from api.service import PREFIX, Service
from api.tracing import Traced
from api.v1 import pipelines as v1_pipelines
from api.v1 import runs as v1_runs
from api.v1.base import V1_PREFIX, V1Paths
from canalis.contract.health import Check, checked

__all__ = ["PREFIX", "make_app"]

_NOUNS = (
    workspace,
    health,
    runs,
    interactive,
    children,
    reasons,
    retention,
    drawings,
    comparing,
    pipelines,
    endpoints,
    drafts,
    schedules,
    snapshots,
    datastores,
    datasets,
    models,
    computes,
    named,
    changes,
    submissions,
    webhooks,
    secrets,
    sign_ins,
)


def make_app(service: Service, guard: Guard) -> FastAPI:
    """The HTTP app over a service."""
    app = FastAPI(
        title="Canalis",
        version=service.version,
        routes=_all_routes(),
        summary="Runs machine-learning pipelines.",
        # Its own pages stand outside the guard, and load their scripts from elsewhere.
        openapi_url=None,
        generate_unique_id_function=operation_id,
        # What is taken is what is given; else conditions, which hold conditions, would have two names each.
        separate_input_output_schemas=False,
        # A path is a route's as it was declared, or nobody's: no answer sends a caller elsewhere.
        redirect_slashes=False,
        # Requests are told by api/tracing.py: its own spans and logs hold queries, texts of errors and tracebacks.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.service = service
    app.state.guard = guard
    look = service.checks or service.look
    app.state.checkup = health.Checkup(lambda: [*look(), *_trouble_of(guard)])
    errors.install(app)
    app.add_middleware(V1Paths)
    app.add_middleware(Traced, prefix=PREFIX)
    app.openapi = partial(described, app)  # type: ignore[method-assign]
    return app


@cache
def _all_routes() -> list[BaseRoute]:
    """Every route, put together once for all apps of a process: that takes longer than a request does.

    What a route needs of a service it finds in the app that is asked.
    """
    every = APIRouter(generate_unique_id_function=operation_id)
    router = APIRouter(prefix=PREFIX, route_class=GuardedRoute)
    for nouns in _NOUNS:
        router.include_router(nouns.router)
    every.include_router(router)
    every.include_router(portal.front)
    for nouns in (v1_runs, v1_pipelines):
        every.include_router(nouns.router, prefix=V1_PREFIX)
    for nouns in (mlflow_runs, mlflow_experiments, mlflow_artifacts, mlflow_models):
        every.include_router(nouns.router, prefix=MLFLOW_PREFIX)
    return every.routes


def _trouble_of(guard: Guard) -> list[Check]:
    found = checked("tokens", guard.trouble)
    return [] if found.is_ok else [found]
