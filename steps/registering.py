"""Outputs become registered datasets when their step has succeeded and its author has asked for it."""

from __future__ import annotations

from canalis.contract.dataset_versions import make_version
from canalis.contract.datasets import DatasetRegistration
from canalis.contract.graph import DataPathValue
from canalis.contract.patterns import escaped
from canalis.contract.ports import Ports
from steps.backend import Work


def register_outputs(ports: Ports, work: Work) -> None:
    """Make those outputs registered datasets whose author has asked for it. Safe to do twice."""
    for port in work.node.outputs:
        if (wanted := port.registered_as) is None:
            continue
        place = work.outputs[port.name]
        asked = DatasetRegistration(
            places=(DataPathValue(datastore=place.datastore, path=escaped(place.path)),),
            table=wanted.table,
            description=wanted.description,
            tags=wanted.tags,
            create_new_version=True,
        )
        make_version(ports.documents, ports.clock.now(), wanted.name, asked, work.request.submitted_by)
