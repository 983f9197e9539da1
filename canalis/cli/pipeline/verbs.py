"""What all verbs of `canalis pipeline` and `canalis ml` have in common: az's options, and how their answers come out.

A verb is a function that takes a Call and options of its own, and gives its answer: JSON. What is printed on the way,
here or in the SDK, is for people and goes to stderr; stdout is the answer's.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import logging
import sys
import traceback
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from canalis import host, local
from canalis.cli import output, where
from canalis.cli.pipeline.explained import explained
from canalis.cli.pipeline.formats import print_table, print_tsv
from canalis.cli.pipeline.words import COMMON_PANEL
from canalis.cli.words import EXIT_CODES
from canalis.client import Client
from canalis.contract.errors import CanalisError
from canalis.exceptions import AzureMLException, UserErrorException
from canalis.host import CloudHost
from canalis.workspace import Workspace

Format = Literal["json", "table", "tsv"]
Answer = Any
Printer = Callable[[Any], None]

# Of every verb, unless it has an option of that name itself; of the words, those that it does not use otherwise.
_COMMON: dict[str, tuple[Any, Any, tuple[str, ...], str]] = {
    "workspace_name": (
        str | None,
        None,
        ("--workspace-name", "--workspace", "-w"),
        "Which workspace, when a folder has several.",
    ),
    "resource_group": (
        str | None,
        None,
        ("--resource-group", "-g"),
        "Taken as az did; a note says when the workspace is in another.",
    ),
    "subscription_id": (str | None, None, ("--subscription-id", "--subscription"), "Likewise."),
    "path": (Path | None, None, ("--path",), "A config.json, or a folder from which on it is searched for."),
    "output": (Format | None, None, ("--output", "-o"), "json, table or tsv."),
    "query": (str | None, None, ("--query",), ""),  # only to be told of
    "as_json": (bool, False, ("--json",), "Print JSON."),
    "output_file": (
        Path | None,
        None,
        ("--output-file", "--output_file", "-f", "--output-metadata-file", "-t"),
        "Write the JSON into this file as well, which need not be there.",
    ),
    "verbose": (bool, False, ("--verbose", "-v"), "Say which workspace is meant."),
    "debug": (bool, False, ("--debug",), "Say what is asked of the service, and where an error came from."),
    "only_show_errors": (bool, False, ("--only-show-errors",), "Say nothing but errors."),
}


class Call:
    """One call of a verb: the workspace that it is about, and how its answer is to come out."""

    def __init__(self, makes: bool, **options: Any) -> None:
        self._makes = makes
        self._options = options
        self._workspace: Workspace | None = None
        self.exit_code = 0

    @property
    def workspace(self) -> Workspace:
        """The workspace that is meant."""
        if self._workspace is None:
            self._workspace = _workspace(self._makes, self._options)
            if self._options["verbose"] or self._options["debug"]:
                print(f"Workspace '{self._workspace.name}' at {self._workspace._client.endpoint.url}")
        return self._workspace

    @property
    def client(self) -> Client:
        """The way to its service."""
        return self.workspace._client

    def v1(self, path: str, **query: Any) -> Any:
        """The JSON at a path of v1's contract, below the workspace's own."""
        scope = quote(self.workspace.get_details()["id"])
        return self.client.get_beside(f"/pipelines/v1.0{scope}{path}", **query)

    def check_file(self) -> None:
        """Raise UserErrorException when the answer could not be written where it shall: before anything is done."""
        file = self._options["output_file"]
        if file is not None:
            try:
                file.touch()
            except OSError as error:
                raise UserErrorException(f"The output file {file} cannot be written: {error.strerror}") from error

    def write_file(self, answer: Answer) -> None:
        """Write an answer into the file that was named, if one was."""
        if self._options["output_file"] is not None:
            self._options["output_file"].write_text(output.as_json_text(answer) + "\n", encoding="utf-8")

    def show(self, answer: Answer, people: Printer | None) -> None:
        """Print an answer as it was asked for: JSON when nothing else was, unless it is a verb for people."""
        wanted = "json" if self._options["as_json"] else self._options["output"]
        if wanted is None and people is not None:
            people(answer)
        elif wanted == "table":
            (people or print_table)(answer)
        elif wanted == "tsv":
            print_tsv(answer)
        else:
            output.print_json(answer)

    def followed(self, run: Any, wait: bool) -> Answer:
        """A run that was started, as v1 shows it; at its end when it is waited for, and the exit code is its."""
        from canalis.cli.scripts import says_what_goes_on
        from canalis.progress import follow

        if wait:
            self.write_file(self.v1(f"/PipelineRuns/{quote(run.id)}"))  # should somebody end us meanwhile
            with says_what_goes_on():
                view = follow(run, show_output=not self._options["only_show_errors"])
            self.exit_code = EXIT_CODES.get(view["run_status_v1"], 1)
        return self.v1(f"/PipelineRuns/{quote(run.id)}")

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Within, what is printed goes to stderr, and an error says what there is and what to do next."""
        try:
            aside = io.StringIO() if self._options["only_show_errors"] else sys.stderr
            with contextlib.redirect_stdout(aside):
                yield
        except (CanalisError, AzureMLException) as error:
            if self._options["debug"]:
                traceback.print_exc()
            raise explained(error, self._workspace) from error


def verb(
    group: typer.Typer, name: str, panel: str, people: Printer | None = None, makes: bool = False
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Make a function a verb of a group.

    panel    under which `--help` lists it
    people   prints its answer for people, of a verb that v1 did not have; az's printed JSON
    makes    whether a workspace is made when there is none yet
    """

    def made(function: Callable[..., Answer]) -> Callable[..., Answer]:
        hints = typing.get_type_hints(function, include_extras=True)
        own = {
            name: one.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
            for name, one in inspect.signature(function).parameters.items()
            if name != "call"
        }
        common = _common(own)

        @functools.wraps(function)
        def called(**given: Any) -> None:
            options = {one: given.pop(one) if one in common else default for one, (_, default, *_) in _COMMON.items()}
            _run(Call(makes, **options), function, given, people)

        parameters = [*own.values(), *common.values()]
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        group.command(name, rich_help_panel=panel)(called)
        return function

    return made


def _run(call: Call, function: Callable[..., Answer], given: dict[str, Any], people: Printer | None) -> None:
    if call._options["debug"]:
        logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s")
        logging.getLogger("canalis").setLevel(logging.DEBUG)
    with call.told():
        if call._options["query"] is not None:
            raise UserErrorException("There is no --query here: pipe the JSON to jq, as in `... | jq -r .Id`")
        call.check_file()
        answer = function(call, **given)
        call.write_file(answer)
    call.show(answer, people)
    if call.exit_code:
        raise typer.Exit(call.exit_code)


def _common(own: dict[str, inspect.Parameter]) -> dict[str, inspect.Parameter]:
    """The common options as a verb has them beside its own."""
    # typer keeps the first word of an option where its default will be.
    infos = [info for one in own.values() for info in getattr(one.annotation, "__metadata__", ())]
    used = {word for info in infos for word in (info.default, *(info.param_decls or ()))}
    found = {}
    for name, (kind, default, words, help) in _COMMON.items():
        left = [word for word in words if word not in used]
        if name in own or not left:
            continue
        envvar = "CANALIS_WORKSPACE" if name == "workspace_name" else None
        option = typer.Option(*left, help=help, envvar=envvar, rich_help_panel=COMMON_PANEL, hidden=not help)
        found[name] = inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
        )
    return found


def _workspace(makes: bool, options: dict[str, Any]) -> Workspace:
    name, path = options["workspace_name"], options["path"]
    if path is not None:
        found = Workspace.from_config(path)
        if name not in (None, found.name):
            raise UserErrorException(f"{path} names workspace '{found.name}', and --workspace-name is '{name}'")
    elif makes and name is not None and host.configured() is None and not local.workspaces(local.home()):
        # The first one cannot be misspelt: it is made, as for a script that names it.
        found = Workspace.get(
            name, subscription_id=options["subscription_id"], resource_group=options["resource_group"]
        )
    else:
        found = where.workspace_or_new(name) if makes else where.workspace(name)
    for noun, there in (("resource_group", found.resource_group), ("subscription_id", found.subscription_id)):
        asked = options[noun]
        # A workspace of this machine is in none, whatever a script has called it.
        if asked and isinstance(found._host, CloudHost) and asked.lower() != there.lower():
            print(f"Note: workspace '{found.name}' is in {noun.replace('_', ' ')} {there}, not {asked}")
    return found
