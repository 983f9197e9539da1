"""Clients that are not ours drive every route over real HTTP: curl, `requests`, and one generated from the description."""

from __future__ import annotations

import importlib
import inspect
import io
import json
import pkgutil
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import openapi_python_client as generator
import pytest
import requests
from openapi_python_client.config import Config, ConfigFile, MetaType

from api.app import PREFIX
from api.mlflow.base import MLFLOW_PREFIX
from api.v1.base import V1_PREFIX
from tests.api.conftest import V1, served
from tests.api.test_routes import routes
from tests.api.test_who_may import World, a_request, world  # noqa: F401  a fixture

Send = Callable[[str, str, dict[str, Any]], int]


@pytest.fixture
def address(world: World) -> Iterator[str]:  # noqa: F811
    """Where the world's service listens."""
    with served(world.app) as (host, port):
        yield f"http://{host}:{port}"


def asked_of_all(world: World) -> Iterator[tuple[str, str, str, dict[str, Any]]]:  # noqa: F811
    """For every route its method, its whole path, and a request to it that succeeds."""
    for route in routes(world.app):
        (method,) = route.methods or ()
        path, parts = a_request(world, method, route.path)
        is_whole = "://" in path  # those beside the native API
        whole, said = route.path, path.removeprefix("http://test")
        if not is_whole:
            whole, said = PREFIX + whole, PREFIX + said
        elif path.startswith(V1):
            whole = V1_PREFIX + whole
        elif route.path.startswith("/mlflow"):
            whole = MLFLOW_PREFIX + whole
        yield method, whole, said.replace("{run}", "run-mine"), parts


@contextmanager
def by_curl(address: str, token: str) -> Iterator[Send]:
    def send(method: str, path: str, parts: dict[str, Any]) -> int:
        body = (
            parts["content"] if "content" in parts else json.dumps(parts["json"]).encode() if "json" in parts else None
        )
        words = ["curl", "-sS", "-X", method, "-H", f"Authorization: Bearer {token}", "-w", "%{stderr}%{http_code}"]
        if body is not None:
            words += ["-H", f"Content-Type: application/{'json' if 'json' in parts else 'octet-stream'}"]
            words += ["--data-binary", "@-"]
        done = subprocess.run([*words, address + path], input=body, capture_output=True, timeout=30, check=True)
        return int(done.stderr)

    yield send


@contextmanager
def by_requests(address: str, token: str) -> Iterator[Send]:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"

        def send(method: str, path: str, parts: dict[str, Any]) -> int:
            body = {"json": parts.get("json"), "data": parts.get("content")}
            with session.request(method, address + path, timeout=30, **body) as answer:
                return answer.status_code

        yield send


@pytest.mark.parametrize("client", [by_curl, by_requests])
def test_every_route_is_driven_by(world, address, client):  # noqa: F811
    with client(address, world.admin.token) as send:
        answered = {(method, route): send(method, path, parts) for method, route, path, parts in asked_of_all(world)}
    assert {asked: status for asked, status in answered.items() if not 200 <= status < 300} == {}
    assert len(answered) > 100


class Generated:
    """A client that was generated from the description of the API, by the operations that it has."""

    def __init__(self, description: dict[str, Any], folder: Path) -> None:
        source = folder / "openapi.json"
        source.write_text(json.dumps(description))
        settings = ConfigFile(post_hooks=[])
        self.said = generator.generate(
            config=Config.from_sources(settings, MetaType.NONE, source, "utf-8", True, folder / "generated_client")
        )
        self.package = importlib.import_module("generated_client")
        self.types = importlib.import_module("generated_client.types")
        self.operations: dict[tuple[str, str], ModuleType] = {}
        api = importlib.import_module("generated_client.api")
        for found in pkgutil.walk_packages(api.__path__, "generated_client.api."):
            if not found.ispkg:
                module = importlib.import_module(found.name)
                source_text = inspect.getsource(module)
                method, path = (re.search(rf'"{key}": "([^"]+)"', source_text)[1] for key in ("method", "url"))
                self.operations[method.upper(), _without_names(path)] = module

    def send(self, client: Any, method: str, template: str, path: str, parts: dict[str, Any]) -> Any:
        """The answer of the operation that is meant, called with such values as its function takes."""
        module = self.operations[method, _without_names(template)]
        takes = inspect.signature(module.sync_detailed).parameters
        split = urlsplit(path)
        pattern = re.sub(
            r"\{(\w+)(:path)?\}", lambda found: f"(?P<{found[1]}>{'.+' if found[2] else '[^/]+'})", template
        )
        values = re.fullmatch(pattern, split.path).groups()
        values_by_name = dict(parse_qsl(split.query))
        if "json" in parts:
            values_by_name["body"] = self._body(takes["body"].annotation, parts["json"])
        if "content" in parts:
            values_by_name["body"] = self.types.File(payload=io.BytesIO(parts["content"]))
        return module.sync_detailed(*values, client=client, **values_by_name)

    def _body(self, annotation: Any, value: Any) -> Any:
        if isinstance(value, list):
            (inner, *_) = typing.get_args(annotation) or (annotation,)
            return [self._body(inner, one) for one in value]
        for made in (annotation, *typing.get_args(annotation)):
            if hasattr(made, "from_dict"):
                return made.from_dict(value)
            if isinstance(made, type) and issubclass(made, Enum):
                return made(value)
        return value


def _without_names(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


@pytest.fixture
def generated(world, tmp_path, monkeypatch) -> Iterator[Generated]:  # noqa: F811
    monkeypatch.syspath_prepend(tmp_path)
    yield Generated(world.app.openapi(), tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "generated_client"]:
        del sys.modules[name]


@pytest.mark.filterwarnings("ignore:invalid decimal literal")  # the generator's way to write a condition
def test_a_client_that_is_generated_from_the_description_drives_every_route_of_it(world, address, generated):  # noqa: F811
    assert list(generated.said) == []  # what it could not read
    refused, driven = {}, set()
    with generated.package.AuthenticatedClient(base_url=address, token=world.admin.token) as client:
        for method, route, path, parts in asked_of_all(world):
            answer = generated.send(client, method, route, path, parts)
            driven.add((method, _without_names(route)))
            if not 200 <= answer.status_code < 300:
                refused[method, route] = (answer.status_code, answer.content[:300])
    assert refused == {} and driven == set(generated.operations)
