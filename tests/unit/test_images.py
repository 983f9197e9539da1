"""What environments ask for that only a container has is told when a pipeline is submitted."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from canalis.conda import CondaDependencies
from canalis.contract.graph import Graph, Node, PythonWork
from canalis.environment import DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE, Environment
from canalis.installed import look_at_environments

BUILDS = SimpleNamespace(_client=SimpleNamespace(get=lambda route: {"mode": "build"}))


def told(environment: Environment, capsys) -> str:
    """What is said when a step with that environment is submitted."""
    definition = {"name": environment.name, **environment._to_dict()}
    node = Node(key="a", name="a", work=PythonWork(script="a.py"), environment="e")
    assert look_at_environments(BUILDS, Graph(nodes=(node,), environments={"e": definition})) == []
    return capsys.readouterr().err


def bare() -> Environment:
    """One that asks for the author's interpreter as it is."""
    made = Environment("own")
    made.python.user_managed_dependencies = True
    return made


def with_interpreter(path: str) -> Environment:
    """The same, with a Python of its own."""
    made = bare()
    made.python.interpreter_path = path
    return made


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        (Environment.from_dockerfile("own", "FROM python:3.8\nRUN pip install humanize\n"), "a Dockerfile of its own"),
        (Environment.from_docker_image("own", "team.azurecr.io/train:1"), "the image team.azurecr.io/train:1"),
        (with_interpreter("/opt/no-such/bin/python"), "the interpreter /opt/no-such/bin/python, which is not on this"),
    ],
)
def test_what_only_an_image_has_is_told_and_that_it_is_not_there(environment, asked, capsys):
    said = told(environment, capsys)
    assert f"Note: environment 'own' asks for {asked}" in said
    assert "On this machine no image is used" in said and f"its steps run in {sys.executable}" in said


def test_packages_beside_an_image_are_built_all_the_same(capsys):
    environment = Environment.from_docker_image("own", "team.azurecr.io/train:1")
    environment.python.user_managed_dependencies = False
    environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["humanize"])
    assert "its steps run in an environment built of its packages alone" in told(environment, capsys)


@pytest.mark.parametrize("image", [None, DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE, "mcr.microsoft.com/azureml/base:0.2.4"])
def test_images_without_anything_that_could_be_missed_are_no_news(image, capsys):
    environment = with_interpreter(sys.executable)
    environment.docker.base_image = image
    assert told(environment, capsys) == ""
