"""What infra/ calls things is what the code calls them, and what the plan says of infra/ is so."""

from __future__ import annotations

import json
import re

import pytest

from azure_settings import settings_of
from canalis.contract.announcements import EVENTS_TOPIC
from canalis.contract.messages import (
    NOTICES_QUEUE,
    ORCHESTRATOR_QUEUE,
    SET_ASIDE_QUEUE,
    SUBMISSIONS_QUEUE,
    WATCH_QUEUE,
    steps_queue,
)
from canalis.contract.submissions import is_reply_queue
from tests.infra import bicep
from tests.infra.conftest import INFRA, ROOT
from tests.infra.known import ROLES

PLAN = json.loads((INFRA / "plan.json").read_text())
BACKENDS = ("process", "databricks", "transfer")  # those whose workers are in the cloud; each has a queue
HOSTS_OWN = re.compile(r"AzureWebJobsStorage__|APPLICATIONINSIGHTS_|AZURE_CLIENT_ID$")


def queues(folder, param="queues"):
    value = bicep.read(folder / "main.bicep").of_kind("param")[param].value
    return re.findall(r"'([^']+)'", value)


def settings(folder):
    """The app's settings, each with the Bicep of its value."""
    site = bicep.read(folder / "modules" / "app.bicep").of_kind("resource")["site"].value
    return dict(re.findall(r"name: '(\w+)'\n\s+value: ([^\n]+)", site.partition("appSettings:")[2]))


def wrong_queues(folder):
    own = {ORCHESTRATOR_QUEUE, SET_ASIDE_QUEUE, WATCH_QUEUE, SUBMISSIONS_QUEUE, NOTICES_QUEUE}
    return sorted({*own, *map(steps_queue, BACKENDS)} ^ set(queues(folder)))


def unread_settings(folder):
    code = "\n".join(file.read_text() for file in ROOT.glob("azure_*.py"))
    read = set(re.findall(r"\"(CANALIS_[A-Z_]+)\"", code))
    given = {name.partition("__")[0] for name in settings(folder) if not HOSTS_OWN.match(name)}
    return sorted(given - read)


def test_the_queues_are_those_that_the_code_names():
    assert wrong_queues(INFRA) == []
    assert queues(INFRA) == PLAN["queues"]


def test_what_is_for_others_is_where_the_code_may_send_to_and_nothing_of_ours_is():
    assert queues(INFRA, "replyQueues") == PLAN["queues_of_others"]
    assert all(map(is_reply_queue, PLAN["queues_of_others"]))
    assert not any(map(is_reply_queue, [*PLAN["queues"], *PLAN["topics"]]))
    assert queues(INFRA, "topics") == PLAN["topics"] == [EVENTS_TOPIC]


def test_a_queue_of_another_name_is_found(planted):
    assert wrong_queues(planted("main.bicep", "'steps-process'", "'step-process'")) == ["step-process", "steps-process"]


def test_every_setting_is_one_that_the_code_reads():
    assert unread_settings(INFRA) == []
    assert list(settings(INFRA)) == PLAN["settings"]


def test_a_setting_that_nobody_reads_is_found(planted):
    assert unread_settings(planted("modules/app.bicep", "'CANALIS_TENANTS'", "'CANALIS_TENANT'")) == ["CANALIS_TENANT"]


def in_azure(value):
    """What Azure would put in the place of a setting's Bicep, as far as the code looks at it."""
    stand_ins = {
        "tablesUrl": "https://stcanalis.table.core.windows.net",
        "blobsUrl": "https://stcanalis.blob.core.windows.net",
        "authorsVaultUrl": "https://team.vault.azure.net",
        "busHost": "canalis-bus.servicebus.windows.net",
        "workspace": "canalis",
        "tenantId": "72f988bf-86f1-41af-91ab-2d7cd011db47",
        "audience": "9d0eb7a1-1d0a-4f0b-9d0e-0a8d2b0c1a04",
    }
    if value.startswith("'@Microsoft.KeyVault("):
        return 2 * "9d0eb7a1-1d0a-4f0b-9d0e-0a8d2b0c1a04"
    return stand_ins.get(value, value.strip("'"))


def test_the_service_starts_with_the_settings_that_it_is_given():
    given = {name: in_azure(value) for name, value in settings(INFRA).items()}
    found = settings_of({**given, "WEBSITE_HOSTNAME": "canalis-x.azurewebsites.net"})
    assert found.bus == "canalis-bus.servicebus.windows.net"
    assert found.workspace == "canalis"


@pytest.mark.skipif(not (ROOT / "function_app.py").exists(), reason="the door is not there")
def test_the_function_that_is_kept_ready_is_there_and_the_timer_is_as_often_as_the_bill_says():
    door = (ROOT / "function_app.py").read_text()
    kept = bicep.read(INFRA / "modules" / "app.bicep").of_kind("param")["orchestratorFunction"].value.strip().strip("'")
    assert re.search(rf"def {kept}\(|function_name\(\"{kept}\"\)|name=\"{kept}\"", door)
    (schedule,) = set(re.findall(r"\"((?:[\d*/]+ ){5}[\d*/]+)\"", door))
    seconds, minutes = schedule.split()[:2]
    every = int(seconds[2:]) if seconds.startswith("*/") else 60 * int(minutes[2:] if minutes.startswith("*/") else 1)
    assert every == PLAN["counts"]["sweep_every_s"], schedule


def test_the_plan_names_every_type_of_resource():
    used = {
        one.of.partition("@")[0]
        for file in INFRA.rglob("*.bicep")
        for one in bicep.read(file).of_kind("resource").values()
    }
    assert used == {kind for kind, _ in PLAN["resources"]}


def test_the_plan_names_the_identities_and_their_roles():
    assert {name for name, _ in PLAN["identities"]} == set(
        bicep.read(INFRA / "modules" / "identities.bicep").of_kind("resource")
    )
    camel = {name[0].lower() + name.replace(" ", "")[1:] for name, _, _ in PLAN["roles"]}
    assert camel == set(ROLES)
    for file in INFRA.rglob("*.bicep"):
        for one in bicep.read(file).of_kind("resource").values():
            if "roleAssignments" in one.of:
                assert "principalId: controlPrincipalId\n" in one.value and "scope: resourceGroup" not in one.value


def test_the_plan_counts_what_the_engine_is_held_to():
    from tests.unit.test_cost import MESSAGES_MAX, TABLE_OPERATIONS_MAX

    counts = PLAN["counts"]
    assert counts["messages_per_step"] == MESSAGES_MAX
    assert counts["table_operations_per_step"] >= TABLE_OPERATIONS_MAX  # a script has its attempt noted as well
    app = bicep.read(INFRA / "modules" / "app.bicep")
    assert f"instanceMemoryMB: {counts['instance_gb'] * 1024} " in app.of_kind("resource")["site"].value
    warm = re.findall(r"instanceCount: (\d+)", app.of_kind("var")["warm"].value)
    assert sum(map(int, warm)) == counts["ready_instances"]["responsive"]
    assert "profile == 'responsive' ? warm : []" in app.of_kind("resource")["site"].value


def test_the_plan_counts_an_alert_for_each_queue_and_topic_that_it_watches():
    watched = [*PLAN["queues"], *PLAN["queues_of_others"], *PLAN["topics"]]
    alerts = re.findall(r"queue: '([^']+)'", (INFRA / "modules" / "alerts.bicep").read_text())
    assert PLAN["counts"]["alert_series"] == sum(len(watched) if one == "*" else 1 for one in alerts)


def test_the_application_has_the_roles_that_the_service_knows():
    from api.entra import ROLES, SCOPE
    from canalis.deployment import actions

    entra = json.loads((INFRA / "entra-app.json").read_text())
    roles = {role["value"]: role["id"] for role in entra["appRoles"]}
    assert list(roles) == list(ROLES)
    assert roles["Canalis.Admin"] == actions._ADMIN
    (scope,) = entra["api"]["oauth2PermissionScopes"]
    assert scope["value"] == SCOPE
    assert [claim["name"] for claim in entra["optionalClaims"]["accessToken"]] == ["idtyp"]
    (client,) = json.loads((INFRA / "entra-clients.json").read_text())["api"]["preAuthorizedApplications"]
    assert client["delegatedPermissionIds"] == [scope["id"]]


def test_the_page_about_emulators_has_the_same_queues_and_settings():
    page = (ROOT / "docs" / "how-to" / "run-with-core-tools.md").read_text()
    emulator, local = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    (namespace,) = emulator["UserConfig"]["Namespaces"]
    assert [queue["Name"] for queue in namespace["Queues"]] == [*PLAN["queues"], *PLAN["queues_of_others"]]
    assert [topic["Name"] for topic in namespace["Topics"]] == PLAN["topics"]
    ours = {name for name in local["Values"] if name.startswith("CANALIS_")}
    known = {name.partition("__")[0] for name in settings(INFRA)}
    assert ours - {"CANALIS_ENDPOINT"} <= known
