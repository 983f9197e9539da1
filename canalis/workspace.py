"""The workspace: what holds everything else, and the way to its service."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from canalis import compute, config, datastore_known, host, local
from canalis.absent import V1
from canalis.answers import asked
from canalis.compute import ComputeTarget
from canalis.contract.faults import how_to_make
from canalis.dataset import AbstractDataset, Dataset
from canalis.datastore_kinds import AbstractDatastore
from canalis.environment import Environment
from canalis.exceptions import UserErrorException
from canalis.experiment import Experiment
from canalis.host import Host
from canalis.interactive_run import run_of
from canalis.keyvault import Keyvault
from canalis.model import Model
from canalis.named import Named
from canalis.published import PublishedPipeline, published_by
from canalis.run import Run


class Workspace(V1):
    """A workspace: a folder of this machine with a service (see canalis.local for where), or a service in the cloud.

    Workspace(subscription_id, resource_group, workspace_name) makes a local twin when there is none yet: a
    script that names a workspace in the cloud runs here without it. With `canalis_url`, or CANALIS_URL in the
    environment, it is the workspace of that deployed service.
    """

    DEFAULT_CPU_CLUSTER_NAME = "cpu-cluster"
    DEFAULT_GPU_CLUSTER_NAME = "gpu-cluster"

    def __init__(
        self,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        workspace_name: str | None = None,
        auth: Any = None,
        canalis_url: str | None = None,
        **ignored: Any,
    ) -> None:
        where = host.deployed(canalis_url, auth) or host.named_here(workspace_name or local.DEFAULT_NAME)
        self._open(where, workspace_name, subscription_id, resource_group)

    def _open(
        self,
        where: Host,
        name: str | None = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
    ) -> None:
        given = {"name": name, "subscription_id": subscription_id, "resource_group": resource_group}
        self._host = where
        self._client = where.client()
        try:
            self._facts = where.facts(self._client, given)
        except Exception:
            self._client.close()
            raise

    @classmethod
    def _at(cls, where: Host) -> Workspace:
        """The workspace that is there."""
        workspace = cls.__new__(cls)
        workspace._open(where)
        return workspace

    @classmethod
    def create(
        cls,
        name: str,
        auth: Any = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
        create_resource_group: bool = True,
        sku: str = "basic",
        tags: dict[str, str] | None = None,
        friendly_name: str | None = None,
        exist_ok: bool = False,
        show_output: bool = True,
        canalis_url: str | None = None,
        **ignored: Any,
    ) -> Workspace:
        """A new workspace. With `exist_ok` the one that is there; without, that is a UserErrorException.

        One in the cloud is made by deploying its service: where a service is known, it is there.
        """
        where = host.deployed(canalis_url, auth) or host.named_here(name)
        if where.folder is None or local.describe(where.folder) is not None:
            if not exist_ok:
                known = f" at {where}" if where.folder is None else ""
                raise UserErrorException(f"Workspace '{name}' exists already{known}; pass exist_ok=True to use it")
            return cls(subscription_id, resource_group, name, auth, canalis_url)
        given = {"subscription_id": subscription_id, "resource_group": resource_group, "location": location}
        also = {"friendly_name": friendly_name or name, "tags": tags or {}}
        local.create(where.folder, {**host.new_facts(name, given), **also})
        if show_output:
            print(f"Workspace '{name}' created: {where}")
        return cls._at(where)

    @classmethod
    def get(
        cls,
        name: str,
        auth: Any = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
        canalis_url: str | None = None,
        **ignored: Any,
    ) -> Workspace:
        """The workspace of that name; on this machine its local twin, made when there is none yet."""
        return cls(subscription_id, resource_group, name, auth, canalis_url)

    @classmethod
    def from_config(
        cls, path: str | os.PathLike[str] | None = None, auth: Any = None, _logger: Any = None, _file_name: Any = None
    ) -> Workspace:
        """The workspace that a config.json names. Inside a step: the workspace the step runs in.

        path      a file, or a folder to search from upwards; the current folder when None
        auth      how to sign in to one in the cloud; without, azure-identity's default
        Without any config.json or CANALIS_URL it is the folder's own local workspace, and it says so.
        Raises UserErrorException for a `path` that was named and is not there, or cannot be read.
        """
        inside = host.surrounding()
        if inside is not None:
            return cls._at(inside)
        found = config.find_config(Path(path) if path is not None else None, _file_name)
        if found is None:
            return cls._at(host.deployed(None, auth) or host.folders_own())
        named = config.read_config(found)
        workspace = cls.__new__(cls)
        workspace._open(
            host.of_config(found, named, auth),
            named["workspace_name"],
            named["subscription_id"],
            named["resource_group"],
        )
        return workspace

    def write_config(self, path: str | os.PathLike[str] | None = None, file_name: str | None = None) -> None:
        """Write <path>/.azureml/config.json, which from_config finds."""
        target = Path(path or ".") / ".azureml" / (file_name or "config.json")
        target.parent.mkdir(parents=True, exist_ok=True)
        body = {
            "subscription_id": self.subscription_id,
            "resource_group": self.resource_group,
            "workspace_name": self.name,
            **self._host.config(),
        }
        target.write_text(json.dumps(body, indent=4))

    @staticmethod
    def list(
        subscription_id: str | None = None, auth: Any = None, resource_group: str | None = None
    ) -> dict[str, list[Workspace]]:
        """The workspaces of this project by name: those on this machine, and the configured one in the cloud."""
        return _known(auth)

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._facts["name"])

    @property
    def subscription_id(self) -> str:
        """The subscription it was named with; zeros when it was named with none."""
        return str(self._facts["subscription_id"])

    @property
    def resource_group(self) -> str:
        """The resource group it was named with."""
        return str(self._facts["resource_group"])

    @property
    def location(self) -> str:
        """Its region; "local" on this machine."""
        return str(self._facts["location"])

    @property
    def sku(self) -> str:
        """Always basic."""
        return "basic"

    @property
    def tags(self) -> dict[str, str]:
        """What it was tagged with when it was created."""
        return dict(self._facts.get("tags") or {})

    @property
    def discovery_url(self) -> str:
        """Address of the service."""
        return f"{self._client.endpoint.url}/discovery"

    @property
    def compute_targets(self) -> Mapping[str, ComputeTarget]:
        """Compute targets by name, each of its own class."""
        return Named(
            "compute target",
            lambda: [found["name"] for found in self._client.get("/computes")],
            lambda name: compute.of_document(self, self._client.get(f"/computes/{quote(name)}")),
            how_to_make,
        )

    @property
    def datastores(self) -> Mapping[str, AbstractDatastore]:
        """Datastores by name."""
        return Named(
            "datastore",
            lambda: [found["name"] for found in self._client.get("/datastores")],
            lambda name: datastore_known.of_document(self, self._client.get(f"/datastores/{quote(name)}")),
        )

    @property
    def datasets(self) -> Mapping[str, AbstractDataset]:
        """Registered datasets by name, each in its newest version."""
        return Named(
            "dataset",
            lambda: [found["name"] for found in self._client.get("/datasets")],
            lambda name: Dataset.get_by_name(self, name),
        )

    @property
    def models(self) -> Mapping[str, Model]:
        """Registered models by name, each in its newest version."""
        return Named(
            "model",
            lambda: sorted(found["name"] for found in self._client.get("/models", latest="true")),
            lambda name: Model(self, name),
        )

    @property
    def experiments(self) -> Mapping[str, Experiment]:
        """Experiments by name, those that are not archived."""
        return Named(
            "experiment",
            lambda: [found.name for found in Experiment.list(self)],
            lambda name: Experiment._known(self, name),
        )

    @property
    def environments(self) -> Mapping[str, Environment]:
        """Registered environments by name, each in its newest version."""
        return Named(
            "environment",
            lambda: [found["name"] for found in self._client.get("/environments")],
            lambda name: Environment.get(self, name),
        )

    def get_default_datastore(self) -> AbstractDatastore:
        """The datastore that is used where none is named: workspaceblobstore, unless it was changed."""
        return datastore_known.of_document(self, self._client.get("/datastores/default"))

    def set_default_datastore(self, name: str) -> None:
        """Make another datastore the default. UserErrorException when there is none of that name."""
        asked(lambda: self._client.put(f"/datastores/default/{quote(name)}"))

    def get_default_compute_target(self, type: str) -> ComputeTarget | None:
        """The cluster with v1's default name for 'CPU' or 'GPU', if there is one."""
        name = self.DEFAULT_GPU_CLUSTER_NAME if type.upper() == "GPU" else self.DEFAULT_CPU_CLUSTER_NAME
        return self.compute_targets.get(name)

    def get_default_keyvault(self) -> Keyvault:
        """The secrets of the workspace."""
        return Keyvault(self)

    def get_mlflow_tracking_uri(self) -> str:
        """Where MLflow's client finds this workspace's runs. Within a step it is told so, and needs nothing more.

        Elsewhere it wants a token as well, in MLFLOW_TRACKING_TOKEN: docs/how-to/log-with-mlflow.md.
        """
        return self._client.endpoint.url

    def get_run(self, run_id: str) -> Run:
        """The run of that id, a PipelineRun or StepRun as it is one. RunNotFound when there is none."""
        return Run.get(self, run_id)

    def get_details(self) -> dict[str, Any]:
        """What is known of the workspace, as v1 shows it."""
        scope = f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
        return {
            "id": f"{scope}/providers/Microsoft.MachineLearningServices/workspaces/{self.name}",
            "name": self.name,
            "friendlyName": self._facts.get("friendly_name") or self.name,
            "location": self.location,
            "tags": self.tags,
            "sku": self.sku,
            "type": "Microsoft.MachineLearningServices/workspaces",
            "discoveryUrl": self.discovery_url,
        }

    def _run(self, view: dict[str, Any]) -> Run:
        """The run that a view of the service describes, of the class that it is."""
        return run_of(Experiment._known(self, view["experiment"]), view)

    def _publish(self, body: dict[str, Any]) -> PublishedPipeline:
        """The published pipeline that is made of a publication."""
        return published_by(self, body)

    def _experiment(self, name: str) -> Experiment:
        """The experiment of that name, made when there is none."""
        return Experiment(self, name)

    @property
    def _root(self) -> Path | None:
        """Its folder on this machine; None when it is elsewhere."""
        return self._host.folder

    def __repr__(self) -> str:
        return (
            f"Workspace.create(name={self.name!r}, subscription_id={self.subscription_id!r}, "
            f"resource_group={self.resource_group!r})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Workspace) and other._host == self._host

    def __hash__(self) -> int:
        return hash(self._host)


def _known(auth: Any) -> dict[str, list[Workspace]]:
    """The workspaces of the project of the current folder, by name."""
    folder, configured = local.home(), host.configured(auth)
    hosts: list[Host] = [host.LocalHost(folder / name) for name in local.workspaces(folder)]
    if configured is not None and configured.folder is None:
        hosts.append(configured)
    found: dict[str, list[Workspace]] = {}
    for each in hosts:
        workspace = Workspace._at(each)
        found.setdefault(workspace.name, []).append(workspace)
    return found
