"""Secrets: kept for a workspace, read by its steps, and seen in nothing that a run leaves behind."""

from __future__ import annotations

import base64
import json
import subprocess
import warnings
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from canalis.exceptions import UserErrorException
from canalis.keyvault import Keyvault
from tests.scenes.conftest import CANALIS, canalis, log_of

SECRET = 'pa55/w0rd+"ünd" \\ & more'
# What the script below does with a secret; each is printed, logged and raised.
FORMS = """
import base64, html, json, sys, time
from urllib.parse import quote, quote_plus
from azureml.core import Run
run = Run.get_context()
secret = run.get_secret("db-password")
data = secret.encode()
forms = [
    secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret),
    json.dumps(secret, ensure_ascii=False), data.hex(), data.hex().upper(), repr(secret), html.escape(secret),
    *(base64.b64encode(b"u" * n + data + b"v").decode() for n in range(3)),
    *(base64.urlsafe_b64encode(b"u" * n + data).decode() for n in range(3)),
]
"""


def bare(secret: str) -> set[str]:
    data = secret.encode()
    cores = {base64.b64encode(bytes(n) + data)[-(-8 * n // 6) : (n + len(data)) * 8 // 6].decode() for n in range(3)}
    web = {core.replace("+", "-").replace("/", "_") for core in cores}
    return {
        secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1], data.hex(),
        data.hex().upper(), *cores, *web,
    }  # fmt: skip


def seen(secret: str, *texts: object) -> list[str]:
    """The forms of a secret that stand in any of these."""
    return [form for form in bare(secret) for text in texts if form in str(text)]


def stored(root: Path | None, run_id: str) -> str:
    """All that is kept of a run on this machine; "" in the cloud."""
    if root is None:
        return ""
    files = [file for kind in ("artifacts", "records") for file in (root / "blobs" / kind / run_id).rglob("*")]
    return "\n".join(file.read_bytes().decode("utf-8", "replace") for file in files if file.is_file())


@pytest.fixture
def vault(author):
    vault = author.ws.get_default_keyvault()
    vault.set_secret("db-password", SECRET)
    return vault


def test_secrets_are_kept_listed_and_deleted_as_v1_has_it(author, vault):
    from azureml.core import Keyvault as V1Keyvault

    assert isinstance(vault, Keyvault) and V1Keyvault is Keyvault
    vault.set_secrets({"one": "the first secret", "two": "the second secret"})
    assert vault.get_secret("one") == vault.get_secret("ONE") == "the first secret"
    assert vault.get_secrets(["two", "none"]) == {"two": "the second secret", "none": None}
    assert {"name": "one"} in vault.list_secrets() and "the first" not in str(vault.list_secrets())
    vault.delete_secret("one")
    vault.delete_secrets(["two", "never-there"])
    assert vault.list_secrets() == [{"name": "db-password"}]
    with pytest.raises(UserErrorException, match="There is no secret 'db-pasword': there is db-password") as refused:
        vault.get_secret("db-pasword")
    assert refused.value.code == "not_found"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [("no_name", "x", "name_invalid"), ("", "x", "name_invalid"), ("n" * 128, "x", "name_invalid"),
     ("large", "hunter2" * 4000, "too_large"), ("half", "hunter2\ud800", "bad_request"), ("none", None, ""),
     ("number", 7777777, "")],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_without_repeating_it(author, name, value, code):
    with pytest.raises(UserErrorException) as refused:
        author.ws.get_default_keyvault().set_secret(name, value)
    assert refused.value.code == code
    assert "hunter2" not in str(refused.value) and "7777777" not in str(refused.value)


def test_a_secret_that_is_too_short_is_kept_with_a_warning(author):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        author.ws.get_default_keyvault().set_secret("pin", "12345")
    assert "'pin' is not masked in logs, since it has fewer than 6 characters" in str(said[0].message)
    author.ws.get_default_keyvault().delete_secret("pin")


def test_no_form_of_a_secret_is_in_what_a_run_leaves_behind(author, vault):
    steps = [
        author.step(
            "prints",
            FORMS
            + """
for form in forms:
    print("before", form, "after")
run.log("metric", forms[0]); run.log_list("list", forms); run.log_row("row", **{"key": forms[4]})
run.tag("tag", forms[0]); run.add_properties({"property": forms[1]})
run.parent.log("parent", forms[0])
print("the end")
""",
        ),
        author.step("splits", FORMS + """
for form in forms:
    for piece in [form[:1], form[1:5], form[5:-1], form[-1:]]:
        sys.stdout.write(piece); sys.stdout.flush()
    sys.stdout.write(" after\\n")
run.log_list("pieces", [forms[6][:4], 1])
"""),
        author.step("raises", FORMS + """
raise RuntimeError("cannot open " + " and ".join(forms[:4]) + " for all")
"""),
    ]  # fmt: skip
    run = author.runs(*steps, tags={"mine": f"with {SECRET}"}, continue_on_step_failure=True)

    logs = {name: log_of(run, name) for name in ("prints", "splits", "raises")}
    details = [step.get_details() for step in run.get_steps()]
    metrics = [step.get_metrics() for step in run.get_steps()]
    assert logs["prints"].count("before ") == logs["prints"].count(" after") == 16
    assert logs["splits"].count(" after\n") == 16 and "the end" in logs["prints"]
    assert "cannot open ****" in str(run.find_step_run("raises")[0].get_details())
    assert run.find_step_run("prints")[0].get_metrics()["metric"] == "***"
    assert run.get_tags()["mine"] == "with ***"
    left = (
        logs,
        details,
        metrics,
        run.get_details(),
        run.get_metrics(),
        run.get_tags(),
        stored(author.ws._root, run.id),
    )
    assert seen(SECRET, *left) == []
    shown = canalis("show", run.id, "--workspace", author.ws.name, check=None)
    assert seen(SECRET, shown.stdout, shown.stderr) == []


def test_a_secret_that_is_kept_while_a_step_runs_is_masked_in_what_it_prints(author):
    run = author.submits(
        author.step(
            "late",
            """
            import sys, time
            from azureml.core import Run
            run = Run.get_context()
            found = None
            while not found:
                found = run.get_secrets(["late-one"])["late-one"]
                time.sleep(0.1)
            sys.stdout.write(found[:5]); sys.stdout.flush()
            sys.stdout.write(found[5:] + " was read"); sys.stdout.flush()
            """,
        )
    )
    author.ws.get_default_keyvault().set_secret("late-one", "kept-later-than-the-step")
    run.wait_for_completion(show_output=False)
    assert log_of(run, "late") == "*" * 24 + " was read"


@pytest.mark.laptop("by files of this machine")
def test_the_workspaces_folder_has_the_secret_nowhere_in_plain(author, vault):
    root = author.ws._root
    assert (root / "secrets.key").stat().st_mode & 0o777 == 0o600
    found = b"".join(file.read_bytes() for file in root.glob("canalis.db*"))
    assert SECRET.encode() not in found and json.dumps(SECRET).encode() not in found


def test_the_command_line_takes_a_secret_from_a_pipe_and_shows_names_alone(author):
    at = ["--workspace", author.ws.name]
    done = subprocess.run(
        [str(CANALIS), "secrets", "set", "piped", *at],
        input="the piped secret\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and done.stdout == "Kept secret 'piped'\n", done
    assert author.ws.get_default_keyvault().get_secret("piped") == "the piped secret"
    assert "piped" in canalis("secrets", "list", *at).stdout.split()
    assert {"name": "piped"} in json.loads(canalis("secrets", "list", "--json", *at).stdout)
    assert canalis("secrets", "delete", "piped", *at).stdout == "Deleted secret 'piped'\n"
    refused = canalis("secrets", "delete", "piped", *at, check=1)
    assert "There is no secret 'piped'" in refused.stderr
    refused = canalis("secrets", "set", "piped", "on-the-command-line", *at, check=2)
    assert "on-the-command-line" not in refused.stdout
