"""A service in this process that has backends for services elsewhere, and an author who uses it through the SDK."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.access import Role
from canalis import host
from canalis.authentication import TokenAuthentication
from canalis.azureml import install_as_azureml
from canalis.workspace import Workspace
from tests.cloud import AUDIENCE, Cloud
from tests.scenes.conftest import Author

install_as_azureml()


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A service that is somewhere else."""
    made, client = [], host.CloudHost.client
    monkeypatch.setattr(host.CloudHost, "client", lambda self: made.append(client(self)) or made[-1])
    monkeypatch.chdir(tmp_path)
    service = Cloud(tmp_path / "elsewhere" / "root", with_links=False)
    yield service
    for one in made:
        one.close()
    service.close()


@pytest.fixture
def author(cloud: Cloud, tmp_path: Path) -> Author:
    """Somebody who may do everything there."""
    token = cloud.guard.knows("ada@example.com", Role.ADMIN)
    cloud.writes_config(tmp_path)
    auth = TokenAuthentication(lambda audience: token if audience == AUDIENCE else "no token for that")
    return Author(Workspace.from_config(auth=auth), tmp_path)
