"""The Azure command line: whether it is there and signed in, and running what a deployment does with it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import httpx2

from canalis.deployment.actions import Action, filled
from canalis.exceptions import UserErrorException

_ANSWER_S = 300.0  # a first start installs nothing, but waits for roles to be known everywhere
_LOOK_AGAIN_S = 5.0


@dataclass(frozen=True)
class Account:
    """Who deploys, and where to."""

    person: str
    tenant_id: str
    subscription_id: str
    subscription: str


def signed_in() -> Account:
    """Whom `az` is signed in as. Raises UserErrorException when it is not there, or nobody is."""
    if shutil.which("az") is None:
        raise UserErrorException(
            "`canalis deploy` needs the Azure command line, and there is no `az` on the PATH: install it "
            "(https://aka.ms/azure-cli), then `az login`. `canalis deploy --plan` works without",
            code="no_az",
        )
    done = _az(["account", "show", "--output", "json"])
    if done.returncode:
        raise UserErrorException(f"Nobody is signed in: `az login` ({_last(done.stderr)})", code="not_signed_in")
    found = json.loads(done.stdout)
    return Account(found["user"]["name"], found["tenantId"], found["id"], found["name"])


def run(actions: Iterable[Action], say: Callable[[str], None]) -> dict[str, str]:
    """Run the actions in order; what they have saved.

    Raises UserErrorException with what `az` said at the first that fails. All of them can be run again then.
    """
    saved: dict[str, str] = {}
    for action in actions:
        if (action.unless and saved.get(action.unless)) or (action.when and not saved.get(action.when)):
            continue
        if not action.line:
            saved[action.saves] = action.value
            continue
        say(action.said)
        done = _az(filled(action.line, saved))
        if done.returncode:
            raise UserErrorException(
                f"'{action.said}' failed: {done.stderr.strip() or 'az said nothing'}\n"
                f"The command was: az {' '.join(filled(action.line, saved))}\n"
                "What was done so far is kept; `canalis deploy` goes on from there",
                code="deploy_failed",
            )
        if action.saves:
            # `az` prints a null as nothing with one query and as "None" with another.
            saved[action.saves] = "" if done.stdout.strip() == "None" else done.stdout.strip()
    return saved


def wait_for_answer(url: str, patience_s: float = _ANSWER_S) -> bool:
    """Whether the service answers within that time. Its first start is the slowest."""
    give_up = time.monotonic() + patience_s
    while True:
        try:
            if httpx2.get(f"{url}/api/v1/health", timeout=30.0).status_code == 200:
                return True
        except httpx2.HTTPError:
            pass  # it is not up yet, or its name is not known yet
        if time.monotonic() > give_up:
            return False
        time.sleep(min(_LOOK_AGAIN_S, patience_s))


def _az(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["az", *words], capture_output=True, text=True, check=False)


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["az said nothing"])[-1]
