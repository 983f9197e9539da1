"""The door in Azure: HTTP, Service Bus and timer triggers. What they call is in azure_engine.py and api/.

What takes long to load is loaded by the first call that needs it, since a cold start pays for every import.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, MutableMapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, List, TypeVar  # noqa: UP035  the runtime refuses `list` in what it reads of a handler

import azure.functions as func

from azure_settings import BUS, CONTROL, settings_of
from canalis.contract import logs, telemetry
from canalis.contract.messages import (
    DEAD_LETTERS,
    NOTICES_QUEUE,
    ORCHESTRATOR_QUEUE,
    SUBMISSIONS_QUEUE,
    WATCH_QUEUE,
    steps_queue,
)
from canalis.contract.version import VERSION

if TYPE_CHECKING:
    from azure_engine import Delivered, Engine
    from azure_events import Events

logs.set_up(os.environ, default="json")
SETTINGS = settings_of(os.environ)
queue = partial(func.FunctionApp.service_bus_queue_trigger, connection=BUS)
Made = TypeVar("Made")


def once(make: Callable[[], Made]) -> Callable[[], Made]:
    """Gives what `make` makes, which it does once, also when the first calls come side by side."""
    lock, made = threading.Lock(), cache(make)

    def get() -> Made:
        with lock:
            return made()

    return get


ENGINES: list[Engine] = []  # the one that was made, or none


@once
def engine() -> Engine:
    """The service behind the triggers, one for this process."""
    from azure_backends import maker_of
    from azure_engine import Engine

    made = Engine(SETTINGS, {name: maker_of(name) for name in SETTINGS.backends})
    telemetry.switch_on(os.environ, "servicebus")
    ENGINES.append(made)
    return made


@once
def events() -> Events:
    """What others want started, and what they want to hear."""
    from azure_events import Events

    return Events(engine())


def leave(*_: object) -> None:
    """The platform ends this process: its steps first, in good order, so that others may do them anew."""
    threading.Thread(target=drain, name="drain", daemon=True).start()


def drain() -> None:
    """End what runs, and then this process."""
    for made in ENGINES:
        made.drain()
    os._exit(128 + signal.SIGTERM)


if threading.current_thread() is threading.main_thread():  # nobody else may
    signal.signal(signal.SIGTERM, leave)


@once
def site() -> Any:
    """The HTTP app."""
    from api.app import make_app
    from api.entra import guard_from
    from api.service import Service, WorkspaceView
    from azure_engine import DEFAULT_SLOTS

    here = engine()
    here.furnish()
    view = WorkspaceView(
        name=SETTINGS.workspace,
        subscription_id=SETTINGS.subscription_id,
        resource_group=SETTINGS.resource_group,
        location=SETTINGS.location,
    )
    service = Service(
        here.ports,
        view,
        here.instance,
        is_local=False,
        default_slots=DEFAULT_SLOTS,
        version=VERSION,
        url=SETTINGS.endpoint,
        counted=here.counted,
        counts=here.meter.counts,
        machines=here.machines(),
        checks=here.checks,
        call=here.watcher.call_soon,
        audience=SETTINGS.audience,
        authority=SETTINGS.tenants[0],
        backends=here.backends(),
    )
    return make_app(service, guard_from(SETTINGS.tenants, SETTINGS.audience, SETTINGS.issuers, SETTINGS.run_keys))


async def http(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    """The HTTP app, made by the first request."""
    if scope["type"] == "lifespan":  # nothing is to be started: the app's parts are made when they are needed
        await receive()
        await send({"type": "lifespan.startup.complete"})
        return
    await (await asyncio.to_thread(site))(scope, receive, send)


def delivered(message: func.ServiceBusMessage) -> Delivered:
    """A message as the engine knows it."""
    from azure_engine import Delivered

    # A sender need not name its message. What the bus numbers it is the same each time that it comes.
    name = message.message_id or f"sequence {message.sequence_number}"
    return Delivered(message.get_body(), message.delivery_count or 1, name)


app = func.AsgiFunctionApp(http, func.AuthLevel.ANONYMOUS) if CONTROL in SETTINGS.serves else func.FunctionApp()

if CONTROL in SETTINGS.serves:

    @app.function_name("orchestrator")
    @queue(app, "messages", queue_name=ORCHESTRATOR_QUEUE, cardinality="many")
    def orchestrator(messages: List[func.ServiceBusMessage]) -> None:  # noqa: UP006
        """News of runs."""
        engine().advance_all([delivered(message) for message in messages])

    @app.function_name("orchestrator-dead")
    @queue(app, "message", queue_name=ORCHESTRATOR_QUEUE + DEAD_LETTERS)
    def orchestrator_dead(message: func.ServiceBusMessage) -> None:
        """News that nobody could carry into its run."""
        engine().bury("", delivered(message))

    @app.function_name("submissions")
    @queue(app, "message", queue_name=SUBMISSIONS_QUEUE)
    def submissions(message: func.ServiceBusMessage) -> None:
        """What others want started."""
        events().start(delivered(message))

    @app.function_name("submissions-dead")
    @queue(app, "message", queue_name=SUBMISSIONS_QUEUE + DEAD_LETTERS)
    def submissions_dead(message: func.ServiceBusMessage) -> None:
        """The same, where something had to be mended first."""
        events().start_again(delivered(message))

    @app.function_name("notices")
    @queue(app, "message", queue_name=NOTICES_QUEUE)
    def notices(message: func.ServiceBusMessage) -> None:
        """That somebody is to hear of the end of a run."""
        events().tell(delivered(message))

    @app.function_name("notices-dead")
    @queue(app, "message", queue_name=NOTICES_QUEUE + DEAD_LETTERS)
    def notices_dead(message: func.ServiceBusMessage) -> None:
        """The same, where something had to be mended first."""
        events().tell_again(delivered(message))

    @app.function_name("watch")
    @app.timer_trigger("timer", schedule="0 * * * * *")
    def watch(timer: func.TimerRequest) -> None:
        """Time passes: what was lost is made good."""
        engine().watch()

    @app.function_name("watch-on")
    @queue(app, "message", queue_name=WATCH_QUEUE)
    def watch_on(message: func.ServiceBusMessage) -> None:
        """The same within the minute, for as long as runs are open."""
        engine().watch()


def serve(name: str) -> None:
    """Take the orders for a backend."""

    @app.function_name(f"steps-{name}")
    @queue(app, "message", queue_name=steps_queue(name))
    def steps(message: func.ServiceBusMessage) -> None:
        """Orders for it."""
        engine().work(name, delivered(message))

    @app.function_name(f"steps-{name}-dead")
    @queue(app, "message", queue_name=steps_queue(name) + DEAD_LETTERS)
    def steps_dead(message: func.ServiceBusMessage) -> None:
        """Orders that nobody could carry out."""
        engine().bury(name, delivered(message))


for backend in SETTINGS.backends:
    serve(backend)
