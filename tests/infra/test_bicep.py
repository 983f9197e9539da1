"""Every file of infra/ is read by a parser, and every name in it leads somewhere."""

from __future__ import annotations

import json

import pytest
from pycep import BicepParser

from tests.infra import bicep
from tests.infra.conftest import INFRA
from tests.infra.known import ROLES

FILES = sorted(INFRA.rglob("*.bicep"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_is_read_by_the_parser_and_alike_by_us(file):
    found = BicepParser().parse(text=file.read_text())
    ours = bicep.read(file)
    for group, kind in (
        ("parameters", "param"),
        ("variables", "var"),
        ("resources", "resource"),
        ("modules", "module"),
    ):
        assert set(found.get(group, {})) == set(ours.of_kind(kind)), group
    assert set(found.get("outputs", {})) == set(ours.of_kind("output"))


def test_every_name_leads_somewhere():
    assert len(FILES) == 9
    assert bicep.faults(INFRA) == []


@pytest.mark.parametrize(
    ("name", "text", "instead", "said"),
    [
        ("main.bicep", "queues: queues\n", "queues: quues\n", "main.bicep: bus names quues, which nothing declares"),
        ("main.bicep", "    queues: queues\n", "", "main.bicep: bus is not given queues, which it needs"),
        ("main.bicep", "    queues: queues\n", "    queues: queues\n    spares: queues\n", "bus is given spares, which it"),
        ("main.bicep", "busHost: bus.outputs.host", "busHost: bus.outputs.hst", "names bus.outputs.hst, which bus.bicep"),
        ("main.bicep", "busHost: bus.outputs.host", "busHost: bus.host", "names bus.host., which bus.bicep does not give"),
        ("main.bicep", "'modules/bus.bicep'", "'modules/buss.bicep'", "bus is in modules/buss.bicep, which is not there"),
        ("main.bicep", "'${runKeyFirst}${runKeySecond}'", "'${runKeyFrst}'", "vault names runKeyFrst, which nothing"),
        ("main.bicep", "var watched = !empty(alertEmail)", "var watched = !emty(alertEmail)", "watched calls emty()"),
        ("main.bicep", "var watched =", "var queues = 1\nvar watched =", "queues is declared twice"),
        ("modules/bus.bicep", "  name: item\n", "  name: itm\n", "queue names itm, which nothing declares"),
        ("modules/bus.bicep", "resource queue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01'", "resource queue 'Microsoft.ServiceBus/namespaces/queues@2024-13-01'", "which is not on the list"),
        ("modules/storage.bicep", "parent: tableService", "parent: blobs", "which cannot be in a Microsoft.Storage"),
        ("modules/storage.bicep", "  parent: tableService\n", "", "tables without a parent"),
        ("modules/app.bicep", "param workspace string\n", "param workspace string\nparam spare string = ''\n", "spare is never"),
        ("modules/app.bicep", "'function:${orchestratorFunction}'", "'function:${orchestratr}'", "names orchestratr"),
        ("modules/vault.bicep", "@secure()\n", "@secrete()\n", "@secrete, which is no decorator"),
    ],
)  # fmt: skip
def test_a_name_that_leads_nowhere_is_found(planted, name, text, instead, said):
    found = bicep.faults(planted(name, text, instead))
    assert any(said in fault for fault in found), found


@pytest.mark.parametrize(
    ("name", "text", "instead"),
    [
        ("modules/bus.bicep", "name: 'Standard'\n", "name: 'Standard\n"),
        ("modules/budget.bicep", "    amount: monthlyBudget\n", "    amount monthlyBudget\n"),
        ("main.bicep", "var watched = !empty(alertEmail)", "var watched ="),
    ],
)
def test_a_file_that_is_no_bicep_is_found(planted, name, text, instead):
    with pytest.raises(Exception, match=r"Unexpected|No terminal"):
        BicepParser().parse(text=(planted(name, text, instead) / name).read_text())


def test_the_values_of_each_profile_are_parameters_that_there_are():
    params = bicep.read(INFRA / "main.bicep").of_kind("param")
    profiles = sorted(INFRA.glob("*.parameters.json"))
    assert [file.name.partition(".")[0] for file in profiles] == ["frugal", "responsive"]
    for file in profiles:
        values = json.loads(file.read_text())["parameters"]
        assert set(values) <= set(params)
        assert values["profile"]["value"] == file.name.partition(".")[0]
        assert f"'{values['profile']['value']}'" in params["profile"].decorators


def test_roles_are_the_ones_that_they_are_called():
    found = {}
    for file in FILES:
        for one in bicep.read(file).of_kind("var").values():
            value = one.value.strip().strip("'")
            if len(value) == 36 and value.count("-") == 4:
                found[one.name] = value
    assert found == ROLES


def test_the_runner_has_no_role_and_is_not_attached_to_the_app():
    """Author code that runs elsewhere is given nothing until something runs there, and never within the app."""
    for file in FILES:
        for one in bicep.read(file).of_kind("resource").values():
            assert file.name == "identities.bicep" or "runner" not in one.value.lower(), (file.name, one.name)
    given = [one.name for one in bicep.read(INFRA / "main.bicep").declarations if "runnerId" in one.value]
    assert given == ["runner"]
