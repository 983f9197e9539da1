"""What a model wants of the machine that serves it. Recorded with the model: nothing is served here.

Source   v1's Model.register
"""

from __future__ import annotations

from typing import Any

from canalis.exceptions import WebserviceException


class ResourceConfiguration:
    """How many processors and gigabytes, and graphics processors, a model wants; None says nothing of it."""

    def __init__(self, cpu: float | None = None, memory_in_gb: float | None = None, gpu: int | None = None) -> None:
        self.cpu = cpu
        self.memory_in_gb = memory_in_gb
        self.gpu = gpu

    def serialize(self) -> dict[str, Any]:
        """All of it."""
        return {"cpu": self.cpu, "memoryInGB": self.memory_in_gb, "gpu": self.gpu}

    def __repr__(self) -> str:
        return f"ResourceConfiguration(cpu={self.cpu}, memory_in_gb={self.memory_in_gb}, gpu={self.gpu})"


def as_document(wanted: Any) -> dict[str, Any]:
    """The same as the service takes it. Raises WebserviceException for what is none."""
    if not isinstance(wanted, ResourceConfiguration):
        raise WebserviceException(f"A resource_configuration is a ResourceConfiguration, not {wanted!r:.200}")
    return {"cpu": wanted.cpu, "memory_in_gb": wanted.memory_in_gb, "gpu": wanted.gpu}
