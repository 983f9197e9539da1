"""The parts of the Functions host that only decide: schedules, routes, settings."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.azure.host.functions import Binding, Function
from tests.azure.host.ncrontab import Schedule
from tests.azure.host.routes import Routes
from tests.azure.host.settings import HostSettings, SettingsError, bus_connection, seconds, substituted


@pytest.mark.parametrize(
    ("text", "now", "due"),
    [
        ("*/15 * * * * *", "2025-03-01 00:00:00", "2025-03-01 00:00:15"),
        ("*/15 * * * * *", "2025-03-01 00:00:14.9", "2025-03-01 00:00:15"),
        ("0 */5 * * * *", "2025-03-01 23:57:00", "2025-03-02 00:00:00"),
        ("*/5 * * * *", "2025-03-01 00:01:00", "2025-03-01 00:05:00"),
        ("0 30 9 * * 1-5", "2025-03-01 10:00:00", "2025-03-03 09:30:00"),
        ("0 30 9 * jan mon", "2025-03-01 10:00:00", "2026-01-05 09:30:00"),
        ("0 0 0 29 2 *", "2025-03-01 00:00:00", "2028-02-29 00:00:00"),
        ("0 0 5-7,22 * * *", "2025-03-01 07:00:00", "2025-03-01 22:00:00"),
        ("0 0 0 * * 7", "2025-03-01 00:00:00", "2025-03-02 00:00:00"),
        ("10/20 * * * * *", "2025-03-01 00:00:10", "2025-03-01 00:00:30"),
    ],
)
def test_a_schedule_knows_when_it_is_due_next(text, now, due):
    told = Schedule.parse(text).after(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert told == datetime.fromisoformat(due).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "said"),
    [("* * *", "3 fields"), ("61 * * * * *", "'61' is not between 0 and 59"), ("x * * * * *", "'x' is not between")],
)
def test_a_wrong_schedule_is_refused_with_what_is_wrong(text, said):
    with pytest.raises(ValueError, match=said):
        Schedule.parse(text)


def test_a_schedule_that_is_never_due_says_so():
    with pytest.raises(ValueError, match="never due"):
        Schedule.parse("0 0 0 30 2 *").after(datetime(2025, 1, 1, tzinfo=UTC))


def a_function(name: str, **trigger: object) -> Function:
    return Function(name, name, Binding("httptrigger", "req", False, dict(trigger)))


def test_the_most_exact_route_is_taken_and_parameters_are_decoded():
    routes = Routes(
        [
            a_function("all", route="/{*rest}"),
            a_function("run", route="runs/{id}"),
            a_function("number", route="runs/{id:int}", methods=["GET"]),
            a_function("latest", route="runs/latest", methods=["get"]),
            a_function("unnamed"),
        ],
        "api",
    )

    def found(method: str, path: str) -> tuple[str, dict[str, str]] | None:
        told = routes.find(method, path)
        return told and (told[0].name, told[1])

    assert found("GET", "/api/runs/latest") == ("latest", {})
    assert found("POST", "/api/runs/latest") == ("run", {"id": "latest"})
    assert found("GET", "/api/runs/12") == ("number", {"id": "12"})
    assert found("GET", "/api/runs/a%2Fb/") == ("run", {"id": "a/b"})
    assert found("GET", "/api/other/things") == ("all", {"rest": "other/things"})
    assert found("GET", "/api/unnamed") == ("unnamed", {})
    assert found("GET", "/runs/latest") is None


def test_settings_are_read_from_the_host_json_and_what_it_does_not_say_is_azures_default(tmp_path):
    file = tmp_path / "host.json"
    file.write_text('{"version": "2.0"}')
    assert HostSettings.read(tmp_path) == HostSettings("api", 1800, 16, 1000, True, 300)
    file.write_text(
        '{"version": "2.0", "functionTimeout": "00:01:30", "extensions": {"http": {"routePrefix": ""}, "serviceBus":'
        ' {"maxConcurrentCalls": 4, "maxMessageBatchSize": 32, "autoCompleteMessages": false,'
        ' "maxAutoLockRenewalDuration": "00:00:10"}}}'
    )
    assert HostSettings.read(tmp_path) == HostSettings("", 90, 4, 32, False, 10)
    file.write_text("{}")
    with pytest.raises(SettingsError, match='needs "version"'):
        HostSettings.read(tmp_path)


def test_time_spans_and_names_of_settings_are_resolved_or_refused():
    assert [seconds("00:05:00"), seconds("1.00:00:01"), seconds("-1")] == [300, 86401, float("inf")]
    with pytest.raises(SettingsError, match="no time span"):
        seconds("5m")
    assert substituted("%A%/x", {"A": "queue"}) == "queue/x"
    with pytest.raises(SettingsError, match="'%B%' does not resolve"):
        substituted("%B%", {"A": "queue"})


def test_a_connection_is_found_by_its_name_and_an_identity_is_refused_with_what_to_do():
    assert bus_connection("BUS", {"BUS": "Endpoint=x"}) == "Endpoint=x"
    assert bus_connection("BUS", {"BUS": "Endpoint=x", "AzureWebJobsBUS": "Endpoint=y"}) == "Endpoint=y"
    with pytest.raises(SettingsError, match="set BUS to a connection string"):
        bus_connection("BUS", {"BUS__fullyQualifiedNamespace": "x.servicebus.windows.net"})
    with pytest.raises(SettingsError, match="no app setting of that name"):
        bus_connection("BUS", {})
