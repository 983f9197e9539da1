"""A workspace whose runs end, and those who want to hear of it: on its own bus, and at a real server of this machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adapters.files import FileBlobs
from adapters.sealed import KEY_BYTES, SealedDocuments
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from adapters.web import HttpWeb
from canalis.contract.announcements import ANNOUNCEMENTS, Announcement, Listening
from canalis.contract.graph import CommandWork, Graph, Node, Settings, content_id
from canalis.contract.layout import graph_key
from canalis.contract.messages import NOTICES_QUEUE, StepEnded, from_bytes, received
from canalis.contract.ports import Ports, Run
from canalis.contract.run import ComputeChoice, Origin, Reply, RunRequest
from canalis.contract.status import Outcome
from canalis.contract.submissions import ForOthers
from canalis.contract.webhooks import Webhook, WebhookRequest
from orchestrator import plan
from orchestrator.advance import advance
from orchestrator.notices import carry, webhooks
from orchestrator.notices.sweep import make_good
from orchestrator.submit import create
from tests.contract.conftest import StoryClock
from tests.receivers import Receiver

SOURCE = "https://ws.example.com"
GRAPH = Graph(nodes=(Node(key="a", name="a", work=CommandWork(line=("true",)), settings=Settings(reuse=False)),))


class Town:
    """The workspace. Its clock goes when it is told to."""

    def __init__(self, folder: Path, topic: str = "", callback_hosts: Iterable[str] = (), limit_s: float = 5.0) -> None:
        plan._kept.clear()  # runs of the same name are other runs in the next story
        self.clock = StoryClock()
        self.database = Database(folder / "canalis.db")
        self.bus = SqliteBus(self.database, self.clock)
        self.documents = SqliteDocuments(self.database)
        hosts = tuple(callback_hosts)
        self.ports = Ports(
            SqliteRuns(self.database, self.bus, self.clock),
            self.documents,
            FileBlobs(folder / "blobs"),
            None,
            self.bus,
            self.clock,
            web=HttpWeb(("*", *hosts), may_reach_this_machine=True, limit_s=limit_s),
            vault=SealedDocuments(self.documents, [b"k" * KEY_BYTES]),
            listening=Listening(SOURCE, topic, hosts),
        )
        self.ports.blobs.put(graph_key(content_id(GRAPH.to_bytes())), GRAPH.to_bytes())

    def close(self) -> None:
        self.database.close()

    def submits(self, run_id: str = "run-one", reply: str = "", graph: Graph = GRAPH, **asked: Any) -> Run:
        if graph is not GRAPH:
            self.ports.blobs.put(graph_key(content_id(graph.to_bytes())), graph.to_bytes())
        pipeline = asked.pop("pipeline", None)
        request = RunRequest(
            experiment=asked.pop("experiment", "e"),
            graph=content_id(graph.to_bytes()),
            computes={"": ComputeChoice(backend="process")},
            submitted_at=self.clock.now(),
            origin=Origin(pipeline=pipeline),
            reply=Reply(queue=reply, to=f"asked-for-{run_id}") if reply else None,
            **asked,
        )
        return create(self.ports, run_id, request, graph)

    def ends(self, run_id: str = "run-one", outcome: Outcome = Outcome.SUCCEEDED, **said: Any) -> None:
        """The step of a run ends, and with it the run."""
        advance(self.ports, run_id, [StepEnded(run_id=run_id, node="a", attempt=1, outcome=outcome, **said)])

    def runs(
        self, run_id: str = "run-one", reply: str = "", outcome: Outcome = Outcome.SUCCEEDED, **asked: Any
    ) -> None:
        """A run from its beginning to its end, and to what is told of it."""
        self.submits(run_id, reply, **asked)
        self.ends(run_id, outcome)
        self.carries()

    def carries(self, seconds: float = 0.0) -> int:
        """Carry out what is due, and what becomes due within so many seconds; how many messages those were."""
        carried, until = 0, self.clock.monotonic() + seconds
        while True:
            taken = self.bus.take(NOTICES_QUEUE, 90, 0.0)
            for message in taken:
                carry.tell(self.ports, *received(message.body))
            self.bus.complete(taken)
            carried += len(taken)
            if taken:
                continue
            left_s = until - self.clock.monotonic()
            if left_s <= 0:
                return carried
            waiting = self.bus._due[NOTICES_QUEUE]
            due_s = waiting[0].due - self.clock.monotonic() if waiting else left_s
            self.clock.pass_s(min(max(due_s, 0.001), left_s))

    def loses(self) -> list[Any]:
        """What is due on the queue gets lost."""
        taken = self.bus.take(NOTICES_QUEUE, 90, 0.0)
        self.bus.complete(taken)
        return [from_bytes(message.body) for message in taken]

    def looks(self) -> int:
        """One look at what may have got lost; how many messages were made again."""
        return make_good(self.ports, self.ports.runs.open_runs())

    def heard(self, queue: str) -> list[ForOthers]:
        return self.bus.receive(queue, 100)

    def owed(self, run_id: str = "run-one") -> dict[str, Any] | None:
        """Who is still to be told of a run; None when nobody is."""
        stored = self.documents.get(ANNOUNCEMENTS, run_id)
        return None if stored is None else Announcement.model_validate(stored.body).owed

    def hook(self, receiver: Receiver | int, path: str = "/hook", **asked: Any) -> tuple[Webhook, str]:
        """A webhook that leads to a server of this machine, with its secret."""
        port = receiver if isinstance(receiver, int) else receiver.port
        made, secret = webhooks.create(self.ports, WebhookRequest(url=f"http://127.0.0.1:{port}{path}", **asked))
        assert secret is not None
        return made, secret
