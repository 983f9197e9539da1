"""A small app of each kind of function, for the tests of the host. What its functions see goes into a file."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from typing import Any, List  # noqa: UP035

import azure.functions as func
from fastapi import FastAPI, Request, Response

web = FastAPI()
app = func.AsgiFunctionApp(app=web, http_auth_level=func.AuthLevel.ANONYMOUS)


def saw(**what: Any) -> None:
    """Write down what a function was given; one line is one write, so processes do not mix."""
    line = json.dumps({**what, "pid": os.getpid()}) + "\n"
    file = os.open(os.environ["SEEN"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, line.encode())
    os.close(file)


@web.get("/items/{number}")
def read_item(number: int, request: Request) -> dict[str, Any]:
    return {"number": number, "url": str(request.url), "asked": request.headers.get("x-asked"), "pid": os.getpid()}


@web.put("/bytes")
async def measure(request: Request) -> Response:
    body = await request.body()
    response = Response(body[:10], status_code=201, media_type="application/octet-stream")
    response.headers["x-size"] = str(len(body))
    response.set_cookie("a", "1", path="/", httponly=True)
    response.set_cookie("b", "2", path="/")
    return response


@web.get("/environment")
def environment() -> dict[str, str]:
    return dict(os.environ)


@app.route(route="plain/{name}/{tail?}", methods=["GET", "POST"])
def plain(req: func.HttpRequest) -> func.HttpResponse:
    logging.info("plain was called")
    told = {"route": dict(req.route_params), "query": dict(req.params), "body": req.get_body().decode()}
    return func.HttpResponse(json.dumps(told), status_code=202, mimetype="application/json")


@app.route(route="fails")
async def fails(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("it went wrong")


@app.route(route="sleeps")
def sleeps(req: func.HttpRequest) -> func.HttpResponse:
    saw(function="sleeps")
    time.sleep(float(req.params["s"]))
    return func.HttpResponse("slept")


def told_of(message: func.ServiceBusMessage) -> dict[str, Any]:
    return {
        "body": message.get_body().decode(),
        "id": message.message_id,
        "delivery_count": message.delivery_count,
        "properties": message.application_properties,
        "user_properties": message.user_properties,
        "enqueued": str(message.enqueued_time_utc),
        "sequence_number": message.sequence_number,
        "lock_token": message.lock_token,
        "subject": message.subject,
        "correlation_id": message.correlation_id,
        "reason": message.dead_letter_reason,
    }


@app.service_bus_queue_trigger(arg_name="message", queue_name="%ONE%", connection="CANALIS_BUS")
@app.service_bus_queue_output(arg_name="answer", queue_name="answers", connection="CANALIS_BUS")
def one(message: func.ServiceBusMessage, answer: func.Out[str], context: func.Context) -> None:
    """Says what it saw; does what the body says: `fail`, `fail once`, `sleep N`, `answer`."""
    body = message.get_body().decode()
    saw(function="one", invocation_id=context.invocation_id, **told_of(message))
    logging.info("one has %s", body)
    if body == "fail" or (body == "fail once" and message.delivery_count == 1):
        raise RuntimeError("told to fail")
    if body.startswith("sleep"):
        time.sleep(float(body.split()[1]))
        saw(function="one", slept=body, id=message.message_id)
    if body == "answer":
        answer.set(json.dumps({"to": message.message_id}))


@app.service_bus_queue_trigger(arg_name="messages", queue_name="many", connection="CANALIS_BUS", cardinality="many")
async def many(messages: List[func.ServiceBusMessage]) -> None:  # noqa: UP006 (the runtime library takes no list[...])
    logging.info("many has %d", len(messages))
    saw(function="many", messages=[told_of(message) for message in messages])
    if any(message.get_body() == b"sleep" for message in messages):
        await asyncio.sleep(0.5)


@app.service_bus_queue_trigger(arg_name="message", queue_name="%ONE%/$deadletterqueue", connection="CANALIS_BUS")
def given_up(message: func.ServiceBusMessage) -> None:
    saw(function="given_up", **told_of(message))


@app.service_bus_queue_trigger(arg_name="message", queue_name="hops", connection="CANALIS_BUS")
@app.service_bus_queue_output(arg_name="next_hop", queue_name="hops", connection="CANALIS_BUS")
def hops(message: func.ServiceBusMessage, next_hop: func.Out[str]) -> None:
    """Sends itself the next lower number until it is 0."""
    left = int(message.get_body())
    if left:
        next_hop.set(str(left - 1))
    else:
        saw(function="hops", at=time.time())


@app.service_bus_queue_trigger(arg_name="message", queue_name="echo", connection="CANALIS_BUS")
@app.service_bus_queue_output(arg_name="$return", queue_name="answers", connection="CANALIS_BUS")
def echo(message: func.ServiceBusMessage) -> str:
    return "echo of " + message.get_body().decode()


@app.service_bus_queue_trigger(arg_name="message", queue_name="trivial", connection="CANALIS_BUS")
def trivial(message: func.ServiceBusMessage) -> None:
    """Does nothing."""


@app.timer_trigger(arg_name="tick", schedule="%TICK%", run_on_startup=False)
def ticks(tick: func.TimerRequest) -> None:
    saw(function="ticks", past_due=tick.past_due, schedule=tick.schedule_status)


@app.timer_trigger(arg_name="tick", schedule="0 0 0 1 1 *", run_on_startup=True)
def at_startup(tick: func.TimerRequest) -> None:
    saw(function="at_startup")
