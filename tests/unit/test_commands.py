"""The words of `canalis pipeline` and `canalis ml`: those that `az ml` had, and how values are written in them."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import pytest
import typer

from canalis.cli.commands import app
from canalis.cli.pipeline.explained import explained
from canalis.cli.pipeline.formats import print_table, print_tsv
from canalis.cli.pipeline.pairs import flag_of, pairs_of, single_pairs, typed
from canalis.contract.errors import Disabled, NotFound, ParameterError
from canalis.exceptions import ErrorResponseException, UserErrorException
from tests.scenes.conftest import cells

# Of each verb the options that az had, by its documentation; every one had those of COMMON.
COMMON = "-w --workspace-name -g --resource-group --subscription-id --debug --verbose -o --output -h --help"
AZ = {
    "create": "-n --name -y --pipeline-yaml -c --continue -d --description -f --output-file --path -v --version",
    "list": "-f --output-file --path -v",
    "show": "-i --pipeline-id -f --output-file --path -v",
    "enable": "-i --pipeline-id -f --output-file --path -v",
    "disable": "-i --pipeline-id -f --output-file --path -v",
    "list-steps": "-i -f --output-file --path -v",
    "get": "-i --pipeline-id -d --pipeline-draft-id -p --path -v",
    "clone": "-i --pipeline-run-id -p --path -f --output-file -v",
    "create-schedule": "-n --name -e --experiment-name -i --pipeline-id -y --schedule-yaml -f --output-file --path -v",
    "update-schedule": "-s --schedule-id -n --name -t --status -y --schedule-yaml -f --output-file --path -v",
    "show-schedule": "-s --schedule-id -f --output-file --path -v",
    "enable-schedule": "-s --schedule-id -f --output-file --path -v",
    "disable-schedule": "-s --schedule-id -f --output-file --path -v",
    "last-pipeline-run": "-s --schedule-id -f --output-file --path -v",
    "pipeline-runs-list": "-s --schedule-id -f --output-file --path -v",
    "create-draft": "-y --pipeline-yaml -n --name -e --experiment_name -p --parameters -t --tags -c --continue "
    "-d --description --properties --path -v",
    "clone-draft": "-i --pipeline-id --pipeline-draft-id --pipeline-run-id --experiment-name -e --path -v",
    "update-draft": "-i --pipeline-draft-id -y --pipeline-yaml -n --name -e --experiment_name -p --parameters "
    "-t --tags -c --continue -d --description --path -v",
    "show-draft": "-i --pipeline-draft-id --path -v",
    "list-drafts": "-t --tags --path -v",
    "delete-draft": "-i --pipeline-draft-id --path -v",
    "submit-draft": "-i --pipeline-draft-id --path -v",
    "publish-draft": "-i --pipeline-draft-id --path -v",
}
SUBMIT = (
    "-i --pipeline-id -y --pipeline-yaml -n --experiment-name -p --parameters -d --datapaths -f --output_file "
    "--output-file -t --output-metadata-file --path -v"
)


def command(*names: str) -> Any:
    found: Any = typer.main.get_command(app)
    context = typer.Context(found, help_option_names=["--help", "-h"])
    for name in names:
        found = found.get_command(context, name)
        assert found is not None, names
    return found


def words_of(found: Any) -> set[str]:
    declared = {word for parameter in found.params for word in (*parameter.opts, *parameter.secondary_opts)}
    return declared | {"-h", "--help"}  # which a group hands down


@pytest.mark.parametrize("verb", AZ)
def test_a_verb_of_az_has_all_the_options_that_it_had(verb):
    assert {*COMMON.split(), *AZ[verb].split()} - words_of(command("ml", "pipeline", verb)) == set()
    assert words_of(command("pipeline", verb)) == words_of(command("ml", "pipeline", verb))


def test_submit_pipeline_stands_where_az_had_it_and_beside_the_other_verbs():
    for names in (("ml", "run", "submit-pipeline"), ("pipeline", "submit")):
        assert {*COMMON.split(), *SUBMIT.split(), "--wait"} - words_of(command(*names)) == set()


def test_every_verb_that_starts_a_run_can_wait_for_it_and_be_asked_twice():
    starts = ("submit", "submit-draft")
    for names in (*(("pipeline", name) for name in starts), ("pipeline", "endpoint", "submit")):
        assert {"--wait", "--idempotency-key"} <= words_of(command(*names))


def test_no_word_means_two_things_in_one_command():
    for group in (command("pipeline"), command("pipeline", "endpoint"), command("ml", "run")):
        context = typer.Context(group)
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            words = [word for parameter in found.params for word in parameter.opts if word.startswith("-")]
            assert len(words) == len(set(words)), name


def test_help_of_the_whole_loads_no_command_that_is_not_asked_for():
    said = (
        "import sys; sys.argv = ['canalis', '--help']\n"
        "from canalis.cli.commands import app\n"
        "try: app()\n"
        "except SystemExit: print(*(name for name in sys.modules if name.startswith('canalis.cli.pipeline')), 'end')"
    )
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, timeout=120)
    assert "pipeline" in done.stdout and done.stdout.splitlines()[-1] == "end", done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=1,b=2", {"a": "1", "b": "2"}),
        ("a = 1 , b=2", {"a": " 1 ", "b": "2"}),
        ("a=", {"a": ""}),
        ('a=""', {"a": ""}),
        ("a=1,", {"a": "1"}),
        ("", {}),
        ("a=b=c", {"a": "b=c"}),
        ('a="x,y=1" ,b=2', {"a": "x,y=1", "b": "2"}),
        ('a="say ""hi"", you"', {"a": 'say "hi", you'}),
        ('a=5" disk,b=2', {"a": '5" disk', "b": "2"}),
        ("weg=ü/ß,größe=1", {"weg": "ü/ß", "größe": "1"}),
    ],
)
def test_pairs_are_read_as_they_are_written(text, found):
    assert pairs_of([text], "-p") == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a=x,y", "'y' is not NAME=VALUE"),
        ("a", "'a' is not NAME=VALUE"),
        ("=1", "'=1' is not NAME=VALUE"),
        ('a="x', "the double quote after a= is not closed"),
        ('a="x"z,b=1', "'z,b=1' stands behind the closing quote of a="),
        ("a=1,a=2", "'a' is given twice with -p: '1' and '2'"),
    ],
)
def test_what_is_no_pair_is_told_with_what_was_meant(text, said):
    with pytest.raises(UserErrorException) as caught:
        pairs_of([text], "-p")
    assert said in caught.value.message


def test_any_value_can_be_written_in_quotes_and_any_alone():
    signs = random.Random(4)
    for _ in range(500):
        values = {name: "".join(signs.choices('ab=," \n\'"', k=signs.randrange(9))) for name in ("a", "b", "c d")}
        text = ",".join('{}="{}"'.format(name, value.replace('"', '""')) for name, value in values.items())
        assert pairs_of([text], "-p") == values
        assert single_pairs([f"{name}={value}" for name, value in values.items()], "--parameter", {}) == values


def test_one_pair_alone_needs_a_name_and_may_not_come_twice():
    with pytest.raises(UserErrorException, match="'x' is not NAME=VALUE"):
        single_pairs(["x"], "--parameter", {})
    with pytest.raises(UserErrorException, match="'a' is given twice"):
        single_pairs(["a=1"], "--parameter", {"a": "2"})


PARAMETERS = [{"name": "n", "type": "int"}, {"name": "on", "type": "bool"}, {"name": "at", "type": "datapath"}]


def test_values_are_of_their_parameters_types():
    found = typed(PARAMETERS, {"n": "5", "on": "TRUE"}, {"at": "store/a/b"})
    assert (found["n"], found["on"], found["at"].datastore, found["at"].path) == (5, True, "store", "a/b")


def test_everything_that_is_wrong_with_values_is_told_at_once():
    with pytest.raises(ParameterError) as caught:
        typed(PARAMETERS, {"n": "x", "on": "yes", "m": "1", "at": "store"}, {"n": "store/a", "at": "store/b"})
    assert len(caught.value.message.splitlines()) == 5
    assert [flag_of(word, "-c") for word in ("true", "False", None)] == [True, False, None]
    with pytest.raises(UserErrorException, match="-c is true or false, not '1'"):
        flag_of("1", "-c")


def test_a_table_shows_what_is_for_people_and_tsv_everything(capsys):
    entity = {
        "Id": "7f",
        "Name": "n",
        "GraphId": "ab" * 32,
        "Status": {"StatusCode": "Failed"},
        "Tags": {},
        "End": None,
    }
    print_table([entity, {"Id": "8f", "Name": None, "Status": {"StatusCode": "Finished"}}])
    lines = capsys.readouterr().out.splitlines()
    assert [cells(line) for line in lines] == [["Id", "Name", "StatusCode"], ["7f", "n", "Failed"], ["8f", "Finished"]]
    print_table([{"Path": "x.yml"}])
    assert capsys.readouterr().out.split() == ["Path", "x.yml"]
    print_tsv([entity | {"Name": "a\tb"}, None, 7])
    assert capsys.readouterr().out.splitlines() == [f"7f\ta b\t{'ab' * 32}\t\t\t", "", "7"]
    print_table(None)
    print_table([])
    print_tsv(None)
    assert capsys.readouterr().out == ""


def test_what_nobody_can_explain_further_stays_as_it_was():
    error = NotFound("There is no version 8", kind="version")
    assert explained(error, None) is error
    other = UserErrorException("no")
    assert explained(other, None) is other
    refused = ErrorResponseException.of(Disabled("It is disabled", kind="pipeline", name="7f"))
    said = explained(refused, None)
    assert isinstance(said, Disabled) and said.message.endswith(". `canalis pipeline enable -i 7f` does")
