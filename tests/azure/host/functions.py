"""The functions of an app, as its worker has indexed them, and which of their bindings this host can keep."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.azure.host.settings import SettingsError, substituted

TRIGGERS = {"httptrigger", "servicebustrigger", "timertrigger"}
OUTPUTS = {"http", "servicebus"}


@dataclass(frozen=True)
class Binding:
    """One binding. Its properties have their %NAME% replaced."""

    type: str  # lower case
    name: str
    is_output: bool
    properties: dict[str, Any]


@dataclass(frozen=True)
class Function:
    """One function of the app."""

    name: str
    function_id: str
    trigger: Binding
    outputs: list[Binding] = field(default_factory=list)

    @property
    def queue(self) -> str:
        """The queue that triggers it, without the part that names the dead-letter queue."""
        return str(self.trigger.properties["queueName"]).split("/")[0]

    @property
    def reads_dead_letters(self) -> bool:
        """Whether it is triggered by the queue's own dead-letter queue."""
        _, _, sub_queue = str(self.trigger.properties["queueName"]).partition("/")
        assert sub_queue.lower() in ("", "$deadletterqueue"), sub_queue
        return bool(sub_queue)

    @property
    def takes_many(self) -> bool:
        """Whether it is given a list of messages."""
        return str(self.trigger.properties.get("cardinality", "one")).lower() == "many"

    @property
    def bus_outputs(self) -> list[Binding]:
        """Queues that it writes to."""
        return [binding for binding in self.outputs if binding.type == "servicebus"]

    def as_json(self) -> dict[str, Any]:
        """For people and tests."""
        bindings = [self.trigger, *self.outputs]
        return {"name": self.name, "bindings": [binding.properties for binding in bindings]}


def function_from(metadata: Any, settings: dict[str, str]) -> Function:
    """A function from the worker's metadata. Raises SettingsError where a binding can not be kept here."""
    bindings = [_binding(json.loads(raw), settings) for raw in metadata.raw_bindings]
    triggers = [binding for binding in bindings if binding.type.endswith("trigger")]
    others = [binding for binding in bindings if not binding.type.endswith("trigger")]
    if len(triggers) != 1:
        raise SettingsError(f"{metadata.name} has {len(triggers)} triggers; a function has one")
    unknown = [binding.type for binding in triggers if binding.type not in TRIGGERS]
    unknown += [binding.type for binding in others if binding.type not in OUTPUTS or not binding.is_output]
    if unknown:
        raise SettingsError(f"{metadata.name}: this host has no bindings of type {', '.join(unknown)}")
    return Function(metadata.name, metadata.function_id, triggers[0], others)


def _binding(told: dict[str, Any], settings: dict[str, str]) -> Binding:
    properties = {key: substituted(value, settings) for key, value in told.items()}
    return Binding(
        type=str(told["type"]).lower(),
        name=str(told["name"]),
        is_output=str(told.get("direction", "in")).lower() == "out",
        properties=properties,
    )
