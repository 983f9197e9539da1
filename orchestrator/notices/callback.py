"""Azure DevOps waits: its task "Invoke ML pipeline" has handed over how to tell it that the run has ended.

An operator names the hosts that may be called back; without that nothing is kept and nobody is called. The token that
was handed over lies in the vault until then, and nowhere else.

Source   reference section 15, AzDevOpsCallBackInfo; the event is the one that server tasks of Azure DevOps are
         completed with (REST API "Events - Post Event", distributedtask/hubs/{hub}/plans/{plan}/events)
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from canalis.contract import logs
from canalis.contract.announcements import (
    ANNOUNCEMENTS,
    CALLBACK,
    CALLBACK_HOSTS_SETTING,
    Announcement,
    Owed,
)
from canalis.contract.errors import AddressRefused, Conflict, NotFound, Unreachable
from canalis.contract.graph import Part
from canalis.contract.ports import Ports, Run
from canalis.contract.run import check_run_id
from canalis.contract.status import RunStatus

CALLBACKS = "callbacks"  # kind of the documents with who is to be called back, under the names of runs
API_VERSION = "7.1"
_TOKEN_MAX = 16_000
_IGNORED = "AzDevOpsCallBackInfo was ignored, so the task in Azure DevOps will not hear of the run's end: "
# In each of these there is a name or a GUID. What could lead elsewhere in a path is refused.
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")


class Callback(Part):
    """Who is to be called back, and for what; the token lies in the vault."""

    plan_uri: str
    project: str
    hub: str
    plan: str
    task: str
    job: str

    @property
    def url(self) -> str:
        """Where the event goes."""
        base = f"{self.plan_uri.rstrip('/')}/{self.project}/_apis/distributedtask/hubs/{self.hub}"
        return f"{base}/plans/{self.plan}/events?api-version={API_VERSION}"


_PARTS = {
    "project": "ProjectId",
    "hub": "HubName",
    "plan": "PlanId",
    "task": "TaskInstanceId",
    "job": "JobId",
}


def remember_callback(ports: Ports, run_id: str, info: Mapping[str, Any]) -> str:
    """Have Azure DevOps called back when this run ends, as `info` (AzDevOpsCallBackInfo) says.

    Before the run is submitted, under an id that was chosen for it, or later: of one that was not announced the task
    hears half a minute after its end.
    Returns   why nobody will be called, in words for the caller; "" when somebody will
    """
    check_run_id(run_id)
    hosts = _hosts(ports)
    if not hosts:
        return f"{_IGNORED}an operator has to allow it ({CALLBACK_HOSTS_SETTING})"
    token, uri = info.get("AuthToken"), info.get("PlanUri")
    odd = [name for name in _PARTS.values() if not _is_plain(info.get(name))]
    if not isinstance(token, str) or not 0 < len(token) <= _TOKEN_MAX or not token.isascii() or not token.isprintable():
        odd.append("AuthToken")
    if not isinstance(uri, str) or set("?#") & set(uri):
        odd.append("PlanUri")
    if odd:
        return f"{_IGNORED}{', '.join(odd)} cannot be what Azure DevOps sends"
    made = Callback(plan_uri=str(uri), **{part: info[name] for part, name in _PARTS.items()})
    if not _is_named(made.plan_uri, hosts):
        return f"{_IGNORED}its host is not among those that may be called back ({CALLBACK_HOSTS_SETTING})"
    try:
        ports.web.check(made.url)
    except AddressRefused as error:
        return f"{_IGNORED}{error.message}"
    ports.vault.keep(_token_of(run_id), str(token))
    ports.documents.put(CALLBACKS, run_id, made.model_dump(mode="json"))
    _expect(ports, run_id)
    return ""


def may_call_back(ports: Ports) -> bool:
    """Whether an operator allows anybody to be called back."""
    return bool(_hosts(ports))


def is_called_back(ports: Ports, run_id: str) -> bool:
    """Whether somebody waits to be called back when that run ends."""
    return may_call_back(ports) and ports.documents.get(CALLBACKS, run_id) is not None


def call_back(ports: Ports, run: Run) -> bool:
    """Tell the task in Azure DevOps how the run ended; whether it took it. Raises as the port Web does."""
    stored = ports.documents.get(CALLBACKS, run.run_id)
    token = ports.vault.read(_token_of(run.run_id)) if stored is not None else None
    if stored is None or token is None:
        return True  # it was told, or is no longer to be
    made = Callback.model_validate(stored.body)
    if not _is_named(made.plan_uri, _hosts(ports)):
        raise AddressRefused("The host that Azure DevOps wants to be called back at is not allowed any more")
    result = "succeeded" if run.state.status is RunStatus.COMPLETED else "failed"
    body = {"name": "TaskCompleted", "taskId": made.task, "jobId": made.job, "result": result}
    credentials = base64.b64encode(f":{token}".encode()).decode()  # any user will do
    logs.hide(credentials)
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {credentials}"}
    answer = ports.web.post(made.url, json.dumps(body).encode(), headers)
    if not 200 <= answer.status < 300:
        raise Unreachable(f"Azure DevOps answered {answer.status}")
    forget(ports, run.run_id)
    return True


def forget(ports: Ports, run_id: str) -> None:
    """Nobody is to be called back for that run any more."""
    ports.vault.forget(_token_of(run_id))
    ports.documents.delete(CALLBACKS, run_id)


def _expect(ports: Ports, run_id: str) -> None:
    """Put on record that somebody waits for the end of that run, also when it has begun, or is over."""
    record = Announcement(since=ports.clock.now())
    with suppress(NotFound):
        if ports.runs.load(run_id).state.status.is_terminal:
            record = Announcement(since=ports.clock.now(), owed={CALLBACK: Owed(due_at=ports.clock.now())})
    with suppress(Conflict):
        ports.documents.put(ANNOUNCEMENTS, run_id, record.model_dump(mode="json"), if_absent=True)


def _hosts(ports: Ports) -> tuple[str, ...]:
    return ports.listening.callback_hosts if ports.listening is not None else ()


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and _PLAIN.fullmatch(value) is not None


def _is_named(uri: str, hosts: tuple[str, ...]) -> bool:
    try:
        host = urlsplit(uri).hostname or ""
    except ValueError:
        return False
    return any(host == one.lower() or (one.startswith("*.") and host.endswith(one[1:].lower())) for one in hosts)


def _token_of(run_id: str) -> str:
    return f"callback {run_id}"
