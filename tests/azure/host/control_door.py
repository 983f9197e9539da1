"""The control door: how tests look into a host, and do things to it."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl

from tests.azure.host.host import Host
from tests.azure.host.http_door import Receive, Scope, Send, answer, read, respond


class ControlDoor:
    """An ASGI app over a host. All answers are JSON; a wrong name is 404, an error of ours 500 with its traceback.

    GET  /functions /counts /failures /instances; /logs?since=N
    POST /instances; /instances/N/kill, /lose, /drain?wait_s=S; /timers/NAME
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="control")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        await read(receive)
        words = [word for word in scope["path"].split("/") if word]
        query = dict(parse_qsl(scope["query_string"].decode()))
        choose = self._looks if scope["method"] == "GET" else self._acts
        try:
            carry_out = choose(words, query)
            told = await asyncio.get_running_loop().run_in_executor(self._pool, carry_out)
        except KeyError as error:
            await answer(send, 404, {"error": f"there is no {error}"})
        except Exception:
            await answer(send, 500, {"error": traceback.format_exc()})
        else:
            await respond(send, 200, [(b"content-type", b"application/json")], json.dumps(told).encode())

    def _looks(self, words: list[str], query: dict[str, str]) -> Callable[[], Any]:
        host = self.host
        looks: dict[str, Callable[[], Any]] = {
            "functions": lambda: [function.as_json() for function in host.functions],
            "counts": host.books.counts,
            "failures": lambda: list(host.books.failures),
            "instances": lambda: [instance.as_json() for instance in list(host.instances.values())],
            "logs": lambda: host.books.lines_since(int(query.get("since", "0"))),
        }
        return looks["/".join(words)]

    def _acts(self, words: list[str], query: dict[str, str]) -> Callable[[], Any]:
        host = self.host
        match words:
            case ["instances"]:
                return lambda: host.add_instance().as_json()
            case ["instances", number, "kill"]:
                return lambda: host.instances[int(number)].kill_worker()
            case ["instances", number, "lose"]:
                return lambda: host.remove(int(number)).lose()
            case ["instances", number, "drain"]:
                return lambda: host.remove(int(number)).drain(float(query.get("wait_s", "30")))
            case ["timers", name]:
                return lambda: host.timers[name].fire()
        raise KeyError("/".join(words))
