"""What v1's callers send over HTTP becomes values of the types that the parameters have, or is refused by name."""

from __future__ import annotations

import json

import pytest

from canalis.contract.assignments import Assigned, assigned_v1
from canalis.contract.errors import NotFound, ParameterError
from canalis.contract.graph import DataPathValue, DatasetValue, Parameter, Registered

PLACE = DataPathValue(datastore="blobs", path="a/b")
FILES = DatasetValue(places=(PLACE,))
PARAMETERS = (
    Parameter(name="name", type="string", default="x"),
    Parameter(name="rounds", type="int", default=10),
    Parameter(name="rate", type="float", default=0.1),
    Parameter(name="fast", type="bool", default=False),
    Parameter(name="raw", type="datapath", default=PLACE),
    Parameter(name="data", type="dataset", default=FILES),
)


def find(name: str, version: str) -> DatasetValue:
    """A workspace that has one dataset, in two versions."""
    if name not in ("weather", "id-of-weather") or version not in ("latest", "1", "2"):
        raise NotFound(f"There is no dataset '{name}' in version {version}", kind="dataset", name=name)
    number = 2 if version == "latest" else int(version)
    return DatasetValue(places=(PLACE,), registered=Registered(name="weather", version=number, id="id-of-weather"))


def taken(texts: object = None, paths: object = None, datasets: object = None) -> Assigned:
    return assigned_v1(PARAMETERS, texts, paths, datasets, find)


def refused(texts: object = None, paths: object = None, datasets: object = None) -> str:
    with pytest.raises(ParameterError) as caught:
        taken(texts, paths, datasets)
    assert len(caught.value.message) < 1_500
    return caught.value.message


@pytest.mark.parametrize(
    ("name", "sent", "value"),
    [
        ("name", "", ""),
        ("name", "20", "20"),
        ("name", 20, "20"),
        ("name", 1.0, "1.0"),
        ("name", True, "true"),
        ("name", " a b ", " a b "),
        ("rounds", "20", 20),
        ("rounds", " -3 ", -3),
        ("rounds", 20, 20),
        ("rounds", 1.0, 1),
        ("rounds", "6.0", 6),
        ("rounds", True, True),
        ("rate", "0.5", 0.5),
        ("rate", "1", 1.0),
        ("rate", 1, 1.0),
        ("rate", "1e-3", 0.001),
        ("fast", True, True),
        ("fast", "true", True),
        ("fast", "False", False),
        ("fast", 0, 0),
        ("fast", "1", 1),
        ("raw", "blobs/x/y", DataPathValue(datastore="blobs", path="x/y")),
    ],
)
def test_a_value_is_read_as_the_parameters_type_whether_it_was_sent_as_text_or_not(name, sent, value):
    found = taken({name: sent})
    assert found == Assigned({name: value}, ())
    assert type(found.values[name]) is type(value)


def test_places_and_datasets_are_named_as_v1_names_them():
    place = {"DataStoreName": "blobs", "RelativePath": "x"}
    value = DataPathValue(datastore="blobs", path="x")
    assert taken(paths={"raw": place}).values == {"raw": value}
    assert taken(paths={"raw": {"dataStoreName": "blobs", "relativePath": "", "Mode": 1}}).values["raw"].path == ""
    assert taken(datasets={"raw": {"LiteralValue": place}}).values == {"raw": value}
    assert taken(datasets={"data": {"LiteralValue": place}}).values == {"data": DatasetValue(places=(value,))}
    assert taken(paths={"data": place}).values == {"data": DatasetValue(places=(value,))}
    for sent, version in (
        ({"SavedDataSetReference": {"Id": "id-of-weather"}}, 2),
        ({"SavedDataSetReference": {"Id": "id-of-weather"}, "DataSetReference": None, "LiteralValue": None}, 2),
        ({"DataSetReference": {"Name": "weather", "Version": "1"}}, 1),
        ({"DataSetReference": {"Name": "weather", "Version": 1}}, 1),
        ({"DataSetReference": {"Id": "id-of-weather", "Version": None}}, 2),
        ({"DataSetReference": {"Name": "weather"}}, 2),
    ):
        assert taken(datasets={"data": sent}).values["data"].registered.version == version, sent


def test_a_dataset_is_named_by_text_as_well():
    for sent, version in (("weather", 2), ("weather:1", 1), ("id-of-weather", 2)):
        assert taken({"data": sent}).values["data"].registered.version == version


def test_the_same_place_may_be_given_in_both_dictionaries_and_two_places_may_not():
    place, other = ({"DataStoreName": "blobs", "RelativePath": path} for path in ("x", "y"))
    assert taken(paths={"raw": place}, datasets={"raw": {"LiteralValue": place}}).values["raw"].path == "x"
    said = refused(paths={"raw": place}, datasets={"raw": {"LiteralValue": other}})
    assert said == "Parameter 'raw' is given twice, with different values"


def test_what_the_pipeline_does_not_have_is_a_warning_and_no_error():
    found = taken({"nobody": [], "name": "y"}, {"no one": 3}, {})
    assert found.values == {"name": "y"}
    assert found.warnings == (
        "ParameterAssignments names 'nobody', which is no parameter of this pipeline (it has: data, fast, name, rate, "
        "raw, rounds)",
        "DataPathAssignments names 'no one', which is no parameter of this pipeline (it has: data, fast, name, rate, "
        "raw, rounds)",
    )


def test_every_parameter_that_cannot_have_its_value_is_named_at_once():
    said = refused(
        {"rounds": "many", "rate": {"x": 1}, "fast": 7, "name": None},
        {"raw": "blobs/x"},
        {"data": {"DataSetReference": {"Name": "climate"}}},
    )
    assert said.split("; ") == [
        "Parameter 'rounds' must be of type int, and 'many' is not",
        "Parameter 'rate' must be text, a number or a bool, not an object of x",
        "Parameter 'fast' is of type bool, which 7 is not",
        "Parameter 'name' must be text, a number or a bool, not null",
        "Parameter 'raw' must be an object, not text",
        "Parameter 'data' names a dataset that cannot be read: There is no dataset 'climate' in version latest",
    ]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        *((name, text) for name in ("rounds", "rate") for text in ("", "x", "1_0", "٣", "nan", "inf", "-Infinity", "0x1")),
        *((name, number) for name in ("rounds", "rate", "name") for number in (float("nan"), float("inf"), 10**400)),
        *((name, "9" * 5_000) for name in ("rounds", "rate", "fast")),
        *((name, nested) for name in ("rounds", "name", "fast", "raw", "data") for nested in ({}, [], [[1]], None)),
        ("rounds", 6.5),
        ("rounds", "6.5"),
        ("rounds", "1e400"),
        ("rate", True),
        ("rate", 2**53 + 1),
        ("fast", "yes"),
        ("fast", 2),
        ("fast", "2"),
        ("fast", 1.0),
        ("raw", "blobs"),
        ("raw", 1),
        ("data", 1),
        ("data", ""),
        ("data", "weather:9"),
    ],
)  # fmt: skip
def test_what_is_no_value_of_the_type_is_refused_by_name(name, sent):
    assert f"Parameter '{name}' " in refused({name: sent})


def test_a_number_that_python_could_not_write_down_is_refused_all_the_same():
    for name in ("rounds", "rate", "name", "fast"):
        assert refused({name: 10**5_000}) == f"Parameter '{name}' is a number of more than 300 digits"


@pytest.mark.parametrize("path", ["..", "../x", "a/../../b", "a\\..\\b", "a/\0"])
def test_no_value_leads_out_of_its_datastore(path):
    place = {"DataStoreName": "blobs", "RelativePath": path}
    for said in (
        refused(paths={"raw": place}),
        refused(datasets={"raw": {"LiteralValue": place}}),
        refused(datasets={"data": {"LiteralValue": place}}),
        refused({"raw": f"blobs/{path}"}),
    ):
        assert "which leaves its datastore" in said


@pytest.mark.parametrize(
    ("sent", "advice"),
    [
        (
            {"DataStoreName": "blobs", "RelativePath": "x"},
            '{"LiteralValue": {"DataStoreName": ..., "RelativePath": ...}}',
        ),
        ({"Id": "x"}, '{"SavedDataSetReference": {"Id": ...}}'),
        ({}, "not an object of nothing"),
        ({"SavedDataSetReference": {"Id": "x"}, "LiteralValue": {}}, "must be one of"),
        ({"SavedDataSetReference": {}}, "neither an id nor a name"),
        ({"SavedDataSetReference": {"Name": "weather"}}, "neither an id nor a name"),
        ({"DataSetReference": "weather"}, "must be an object, not text"),
        ({"LiteralValue": {"DataStoreName": "", "RelativePath": "x"}}, "with two texts"),
        ({"LiteralValue": {"DataStoreName": "blobs"}}, "with two texts"),
        ({"LiteralValue": {"DataStoreName": "blobs", "RelativePath": 3}}, "with two texts"),
    ],
)
def test_a_wrapper_that_is_missing_is_told_with_what_it_looks_like(sent, advice):
    assert advice in refused(datasets={"data": sent})


def test_a_value_in_the_wrong_dictionary_is_sent_to_the_right_one():
    place = {"DataStoreName": "blobs", "RelativePath": "x"}
    assert "given in DataPathAssignments" in refused({"raw": place})
    assert "given in DataSetDefinitionValueAssignments" in refused({"data": place})
    assert "given in ParameterAssignments" in refused(paths={"rounds": place})
    assert "given in ParameterAssignments" in refused(datasets={"rounds": {"LiteralValue": place}})
    assert "'raw' is a data path" in refused(datasets={"raw": {"SavedDataSetReference": {"Id": "id-of-weather"}}})


@pytest.mark.parametrize("sent", [[], "{}", 3, True])
def test_what_is_no_dictionary_is_told(sent):
    said = refused(sent, sent, sent)
    for field in ("ParameterAssignments", "DataPathAssignments", "DataSetDefinitionValueAssignments"):
        assert f"{field} must be an object of names and values" in said


def test_whatever_json_comes_it_is_values_or_one_error():
    """Nothing that can be written in JSON makes it fail in another way."""
    odd = [None, True, 0, -1, 1.5, 1e999, "", "x", "..", [], [{}], {}, {"Id": {}}, {"LiteralValue": []}, "9" * 5_000]
    odd += [{key: value} for key in ("SavedDataSetReference", "DataSetReference", "LiteralValue") for value in odd]
    for value in odd:
        for parameter in PARAMETERS:
            for place in range(3):
                sent = [None, None, None]
                sent[place] = {parameter.name: value, f"{parameter.name} ": value}
                try:
                    found = taken(*sent)
                except ParameterError as error:
                    json.dumps(error.details)
                    continue
                assert found.values.keys() == {parameter.name} and len(found.warnings) == 1
