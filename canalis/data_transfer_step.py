"""Copies data from one place to another, of whichever datastores.

Source   reference section 10
"""

from __future__ import annotations

from typing import Any

from canalis.contract.graph import ServiceWork, Work
from canalis.contract.works import TRANSFER
from canalis.data import DataPath, DataPathComputeBinding, DataReference, InputPortBinding, PipelineData
from canalis.parameter import PipelineParameter, pieces_of
from canalis.steps import PipelineStep

_OUTPUT = "_data_transfer_output"
_TYPES = ("file", "directory")


class DataTransferStep(PipelineStep):
    """Copies a file or a folder. What lies at the destination under other names stays there.

    source_data_reference        what is read: a DataReference, a PipelineData, a binding or a (DataPath, binding) pair
    destination_data_reference   where it is to be; no PipelineData
    source_reference_type, destination_reference_type   file or directory. Where none is said it is what is there, then
                                 what the other side is, then a directory
    """

    def __init__(
        self,
        name: str,
        source_data_reference: Any = None,
        destination_data_reference: Any = None,
        compute_target: Any = None,
        source_reference_type: str | None = None,
        destination_reference_type: str | None = None,
        allow_reuse: bool = True,
        *,
        version: str | None = None,
        retries: int = 0,
        retry_rest_s: float = 0.0,
        timeout_s: float | None = None,
    ) -> None:
        needed = {
            "name": name,
            "source_data_reference": source_data_reference,
            "destination_data_reference": destination_data_reference,
            "compute_target": compute_target,
        }
        if missing := [what for what, value in needed.items() if value is None]:
            raise ValueError(f"A DataTransferStep needs {', '.join(missing)}")
        types = {"source": source_reference_type, "destination": destination_reference_type}
        for side, said in types.items():
            if said is not None and str(said).lower() not in _TYPES:
                raise ValueError(f"{side}_reference_type of step '{name}' is {said!r}: it must be file or directory")
        self._types = {side: str(said).lower() for side, said in types.items() if said is not None}
        self._output = _made_at(name, destination_data_reference)
        super().__init__(
            name,
            [source_data_reference],
            [self._output],
            compute_target=compute_target,
            allow_reuse=allow_reuse,
            version=version,
            retries=retries,
            retry_rest_s=retry_rest_s,
            timeout_s=timeout_s,
        )
        self._claim_outputs()

    def get_output(self) -> PipelineData:
        """What lies at the destination afterwards, for a step that reads it."""
        return self._output

    def _work(self) -> Work:
        if not self._types:
            return ServiceWork(service=TRANSFER)
        return ServiceWork(service=TRANSFER, asked=dict(self._types))

    def _has_files(self) -> bool:
        return False

    def _runs_here(self) -> bool:
        return False


def _made_at(step: str, destination: Any) -> PipelineData:
    """What a step writes that lies where a reference says. Raises ValueError for what names no place."""
    if isinstance(destination, InputPortBinding):
        destination = destination.bind_object
    if isinstance(destination, DataReference):
        made = PipelineData(_OUTPUT, destination.datastore)
        made._path = destination._path
    elif (
        isinstance(destination, tuple) and len(destination) == 2 and isinstance(destination[1], DataPathComputeBinding)
    ):
        path = destination[0]
        made = PipelineData(_OUTPUT, path.datastore if isinstance(path, DataPath) else None)
        if isinstance(path, PipelineParameter):
            made._parameter = path
        else:
            made._path = pieces_of(path.path_on_datastore)
    else:
        raise ValueError(
            f"The destination of step '{step}' is {destination!r}: it must be a DataReference, a binding of one, or a "
            "(DataPath, DataPathComputeBinding) pair"
        )
    if made._parameter is None and not "".join(str(piece) for piece in made._path).strip("./ "):
        raise ValueError(f"The destination of step '{step}' is a whole datastore: name a path in it")
    return made
