"""Who hears of the end of a run: each who wants to, at least once; and of nothing that has not ended."""

from __future__ import annotations

import json
import time

import pytest
from standardwebhooks import Webhook

from adapters.counted import Meter, counted
from adapters.sealed import KEY_BYTES, SealedDocuments
from canalis.contract import graphs
from canalis.contract.errors import AddressRefused, NotFound, StoreUnavailable
from canalis.contract.messages import DeliverNotice, RunEnded
from canalis.contract.status import Outcome
from canalis.contract.webhooks import FAILING_AFTER, WEBHOOKS_MAX, WebhookChange, WebhookRequest
from orchestrator.notices import carry, webhooks
from orchestrator.notices.deliver import GIVE_UP_S
from orchestrator.notices.sweep import LATE_S
from orchestrator.resume import Resumption, resume
from tests.cloud_events import data_of, read_event
from tests.receivers import Receiver, Rude
from tests.stories import a_graph, a_plan, ended, tell
from tests.unit.listeners import SOURCE, Town


@pytest.fixture
def town(tmp_path):
    town = Town(tmp_path)
    yield town
    town.close()


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


def subjects(receiver: Receiver) -> list[str]:
    return [json.loads(came.body)["subject"] for came in receiver.came]


# --- whether, and when


def test_the_commit_that_ends_a_run_says_so_where_somebody_may_want_to_hear_of_it():
    for graph in (a_graph("a > b"), a_graph("a", "b")):
        story, _ = tell(graph, ended("a"), ended("b"), announce=True)
        assert story.status == "completed" and story.sent[-1] == RunEnded(run_id=story.plan.run_id)
        assert sum(isinstance(message, RunEnded) for message in story.sent) == 1
        story, _ = tell(graph, ended("a"), ended("b"))
        assert story.status == "completed" and not any(isinstance(message, RunEnded) for message in story.sent)
    story, _ = tell(a_graph("a > b"), ended("a"), announce=True)
    assert not any(isinstance(message, RunEnded) for message in story.sent)
    assert a_plan(a_graph("a")).announces is False


def test_a_run_of_which_nobody_wants_to_hear_leaves_nothing_behind(town):
    town.runs()
    assert not town.ports.runs.load("run-one").request.announce
    assert (town.owed(), town.looks(), town.documents.list("announcements")) == (None, 0, [])


def test_a_run_of_which_nobody_wants_to_hear_costs_what_it_did_and_one_that_is_told_a_message_more(tmp_path, receiver):
    spent = {}
    for case in ("nobody could", "nobody does", "somebody does"):
        folder = tmp_path / case
        folder.mkdir()
        town = Town(folder)
        if case == "somebody does":
            town.hook(receiver)
        meter = Meter(town.documents)
        plain = town.ports if case != "nobody could" else town.ports.with_changes(listening=None)
        town.ports = counted(plain, meter, free=("deliver",))
        town.submits()
        town.ends()
        spent[case] = {kind: calls for kind, (calls, _) in meter.counts("run-one").items()}
        town.close()
    assert spent["nobody does"] == spent["nobody could"]
    more = {kind: calls - spent["nobody does"].get(kind, 0) for kind, calls in spent["somebody does"].items()}
    assert {kind: calls for kind, calls in more.items() if calls} == {"message.run_ended": 1, "table.load": 1}


def test_who_asked_for_a_run_by_a_message_hears_of_its_end_once(town):
    town.submits(reply="replies-erp")
    assert town.carries() == 0 and town.heard("replies-erp") == []
    town.ends()
    town.carries()

    (told,) = town.heard("replies-erp")
    assert told.properties["correlation_id"] == "asked-for-run-one"
    assert read_event(told.body, told.properties["content_type"]).get_subject() == "run-one"
    assert town.documents.list("announcements") == [] and town.looks() == 0


def test_every_run_is_told_to_the_topic_where_there_is_one(tmp_path):
    town = Town(tmp_path, topic="run-events")
    for run_id, outcome in (("run-one", Outcome.SUCCEEDED), ("run-two", Outcome.FAILED)):
        town.runs(run_id, outcome=outcome)

    first, second = town.heard("run-events")
    assert (first.properties["type"], first.properties["status"]) == ("io.canalis.run.completed", "completed")
    assert (second.properties["type"], second.properties["experiment"]) == ("io.canalis.run.failed", "e")
    town.close()


def test_news_of_a_run_that_has_not_ended_or_is_not_there_tell_nobody(town, receiver):
    hook, _ = town.hook(receiver)
    town.submits(reply="replies")
    for run_id in ("run-one", "run-none"):
        carry.tell(town.ports, RunEnded(run_id=run_id))
        for turn in range(2):
            for listener in ("reply", "topic", "callback", f"webhook:{hook.id}"):
                carry.tell(town.ports, DeliverNotice(run_id=run_id, listener=listener, turn=turn))
    assert (receiver.came, town.heard("replies"), town.carries()) == ([], [], 0)

    town.ends()
    town.carries()
    assert len(town.heard("replies")) == len(receiver.came) == 1


def test_news_that_come_again_when_all_have_heard_tell_nobody_again(town, receiver):
    hook, _ = town.hook(receiver)
    town.runs(reply="replies")
    for message in (RunEnded(run_id="run-one"), DeliverNotice(run_id="run-one", listener=f"webhook:{hook.id}")):
        carry.tell(town.ports, message)
    assert (len(town.heard("replies")), len(receiver.came)) == (1, 1)


def test_a_run_that_is_submitted_again_after_its_end_is_not_told_again(town):
    town.runs(reply="replies")
    town.submits(reply="replies")
    assert town.documents.list("announcements") == []
    town.clock.pass_s(2 * LATE_S)
    assert town.looks() == 0 and len(town.heard("replies")) == 1


def test_a_run_that_goes_on_from_another_is_not_the_answer_to_its_message(town):
    town.runs(reply="replies", outcome=Outcome.FAILED)
    again = resume(
        town.ports, town.ports.runs.load("run-one"), Resumption(), town.ports.runs.load("run-one").request.computes
    )
    assert again.request.reply is None and not again.request.announce
    town.ends(again.run_id)
    town.carries()
    assert len(town.heard("replies")) == 1


# --- what


def test_an_event_says_how_a_run_ended_and_never_what_it_was_given(town):
    parameters = {"password": "canary-parameter", "n": 7}
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    town.submits(
        reply="replies",
        experiment="nightly",
        pipeline="pipe-one",
        parameters=parameters,
        tags={"order": "4711"},
        submitted_by="ann",
        number=3,
        trace=trace,
    )
    town.clock.pass_s(60)
    town.ends(
        outcome=Outcome.FAILED, error_code="script_failed", error="AccountKey=abcdefghij== was wrong", ended_at=1.0
    )
    town.carries()

    (told,) = town.heard("replies")
    event, said = read_event(told.body), data_of(told.body)
    assert (event.get_id(), event.get_source(), event.get_type()) == ("run-one-ended", SOURCE, "io.canalis.run.failed")
    assert event.get_extension("traceparent") == trace
    assert event.get_time().timestamp() == pytest.approx(said["ended_at"], abs=0.001)
    assert said["ended_at"] - said["submitted_at"] == pytest.approx(60)
    assert said == said | {
        "run": "run-one",
        "experiment": "nightly",
        "status": "failed",
        "pipeline": "pipe-one",
        "schedule": None,
        "submission": "asked-for-run-one",
        "submitted_by": "ann",
        "number": 3,
        "error": {"code": "script_failed", "message": "AccountKey=*** was wrong", "step": "run-one.a"},
        "tags": {"order": "4711"},
    }
    assert "canary" not in told.body and "password" not in told.body


def test_an_event_fits_into_a_message_whatever_people_have_written(town):
    tags = {f"tag-{number}": "é" * 1_000 for number in range(50)}
    town.submits(reply="replies", tags=tags, display_name="x" * 10)
    town.ends(outcome=Outcome.FAILED, error="\u2028" * 50_000)
    town.carries()
    (told,) = town.heard("replies")
    assert len(told.body) < 100_000 and 0 < len(data_of(told.body)["tags"]) < 50


def test_a_run_whose_graph_is_gone_is_told_all_the_same(town):
    town.submits(reply="replies")
    town.ends(outcome=Outcome.FAILED)
    town.ports.blobs.delete("graphs")
    graphs._kept.clear()
    town.carries()
    (told,) = town.heard("replies")
    assert (data_of(told.body)["status"], data_of(told.body)["error"]) == ("failed", None)


# --- webhooks


def test_a_webhook_gets_an_event_that_the_official_libraries_believe_and_read(town, receiver):
    hook, secret = town.hook(receiver, "/runs?team=7")
    town.clock.time = time.time()
    town.runs()

    (came,) = receiver.came
    assert came.target == "/runs?team=7"
    Webhook(secret).verify(came.body, came.headers)
    event = read_event(came.body, came.headers["content-type"])
    assert (event.get_subject(), event.get_type()) == ("run-one", "io.canalis.run.completed")
    assert came.headers["webhook-id"] == event.get_id()
    assert town.owed() is None
    (last,) = webhooks.deliveries_of(town.documents, hook.id).last
    assert (last.ok, last.status, last.run) == (True, 200, "run-one")


@pytest.mark.parametrize(
    ("filters", "heard"),
    [
        ({}, ["run-a", "run-b", "run-c"]),
        ({"experiment": "x"}, ["run-a", "run-c"]),
        ({"pipeline": "pipe-one"}, ["run-b", "run-c"]),
        ({"status": ("failed",)}, ["run-c"]),
        ({"status": ("completed", "cancelled")}, ["run-a", "run-b"]),
        ({"experiment": "x", "pipeline": "pipe-one", "status": ("completed",)}, []),
        ({"enabled": False}, []),
    ],
)
def test_a_webhook_hears_of_the_runs_that_it_wants_to(town, receiver, filters, heard):
    town.hook(receiver, **filters)
    town.runs("run-a", experiment="x")
    town.runs("run-b", experiment="y", pipeline="pipe-one")
    town.runs("run-c", experiment="x", pipeline="pipe-one", outcome=Outcome.FAILED)
    assert subjects(receiver) == heard


def test_what_a_webhook_does_not_take_is_sent_again_with_growing_rests_for_a_day(town, receiver):
    receiver.answer = (503, {}, b"not now")
    hook, _ = town.hook(receiver)
    town.runs()
    came_at, began = [0.0], town.clock.now()
    while town.owed() is not None:
        before = len(receiver.came)
        town.carries(10.0)
        if len(receiver.came) > before:
            came_at.append(town.clock.now() - began)
        assert town.clock.now() - began < 2 * GIVE_UP_S

    rests = [round(later - earlier) for earlier, later in zip(came_at, came_at[1:], strict=False)]
    assert rests[:6] == [10, 60, 300, 900, 900, 900] and set(rests[3:]) == {900}
    assert came_at[-1] == pytest.approx(GIVE_UP_S, abs=1_000) and len(receiver.came) == len(came_at)
    assert len({came.headers["webhook-id"] for came in receiver.came}) == 1
    found = webhooks.deliveries_of(town.documents, hook.id)
    assert len(found.last) == 20 and found.last[0].why == "It answered 503"
    assert "Nothing has reached it since" in webhooks.attention(found)


def test_a_webhook_that_takes_it_at_last_is_well_again(town, receiver):
    receiver.answer = (500, {}, b"")
    hook, _ = town.hook(receiver)
    for number in range(FAILING_AFTER):
        assert webhooks.attention(webhooks.deliveries_of(town.documents, hook.id)) == "", number
        town.runs(f"run-{number:03d}")
    assert webhooks.attention(webhooks.deliveries_of(town.documents, hook.id))

    receiver.answer = (204, {}, b"")
    town.carries(11)
    found = webhooks.deliveries_of(town.documents, hook.id)
    assert (found.failures, webhooks.attention(found)) == (0, "")
    assert sorted(set(subjects(receiver))) == [f"run-{number:03d}" for number in range(FAILING_AFTER)]
    assert town.documents.list("announcements") == []


def test_who_does_not_answer_keeps_nobody_else_waiting_and_is_not_asked_for_each_run(tmp_path, receiver):
    town = Town(tmp_path, limit_s=0.2)
    with Rude(lambda connection, leaving: leaving.wait(20)) as silent:
        _, _ = town.hook(silent.port), town.hook(receiver)
        for number in range(10):
            town.runs(f"run-{number}", reply="replies")
        assert len(receiver.came) == len(town.heard("replies")) == 10
        assert silent.seen == 1, "the others wait until its rest is over"
        town.carries(11)
        assert silent.seen == 2
    silent_port = silent.port
    with Receiver(port=silent_port) as again:
        town.carries(1_000)
        assert sorted(subjects(again)) == [f"run-{number}" for number in range(10)]
    assert town.documents.list("announcements") == []
    town.close()


def test_a_webhook_that_is_deleted_or_disabled_meanwhile_hears_nothing_further(town, receiver):
    receiver.answer = (500, {}, b"")
    one, two = town.hook(receiver, "/one")[0], town.hook(receiver, "/two")[0]
    town.runs()
    assert len(receiver.came) == 2
    webhooks.delete(town.ports, one.id)
    webhooks.change(town.ports, two.id, WebhookChange(enabled=False))
    town.carries(GIVE_UP_S / 10)
    assert len(receiver.came) == 2 and town.owed() is None
    assert town.ports.vault.names() == [f"webhook {two.id}"]
    with pytest.raises(NotFound):
        webhooks.webhook(town.documents, one.id)


def test_an_address_that_leads_inside_is_refused_when_it_is_given_and_again_when_it_is_sent_to(tmp_path):
    town = Town(tmp_path)
    for url in ("http://10.0.0.1/x", "https://169.254.169.254/x", "https://localhost.internal/x", "ftp://x", "x"):
        with pytest.raises(AddressRefused):
            webhooks.create(town.ports, WebhookRequest(url=url))
    hook, _ = town.hook(9_999)
    with pytest.raises(AddressRefused):
        webhooks.change(town.ports, hook.id, WebhookChange(url="https://10.0.0.1/x"))
    assert [one.url for one in webhooks.all_webhooks(town.documents)] == [hook.url]

    stored = town.documents.get("webhooks", hook.id)
    town.documents.put("webhooks", hook.id, stored.body | {"url": "https://192.168.1.1/x"})
    made = webhooks.send_test(town.ports, webhooks.webhook(town.documents, hook.id))
    assert not made.ok and "no public address" in made.why
    town.close()


def test_there_are_fifty_webhooks_at_the_most_and_one_that_is_asked_for_twice_is_one(town):
    for number in range(WEBHOOKS_MAX):
        town.hook(9_999, id=f"hook-{number}")
    again, secret = webhooks.create(town.ports, WebhookRequest(id="hook-7", url="http://127.0.0.1:9999/hook"))
    assert (again.id, secret, len(webhooks.all_webhooks(town.documents))) == ("hook-7", None, WEBHOOKS_MAX)
    with pytest.raises(Exception, match="another webhook hook-7"):
        webhooks.create(town.ports, WebhookRequest(id="hook-7", url="http://127.0.0.1:9999/other"))
    with pytest.raises(Exception, match="delete one first"):
        town.hook(9_999)


def test_a_test_seals_a_webhooks_secret_under_the_key_that_is_new(town, receiver):
    hook, secret = town.hook(receiver)
    changing = SealedDocuments(town.documents, [b"n" * KEY_BYTES, b"k" * KEY_BYTES])
    assert webhooks.send_test(town.ports.with_changes(vault=changing), hook).ok
    after = town.ports.with_changes(vault=SealedDocuments(town.documents, [b"n" * KEY_BYTES]))
    assert webhooks.send_test(after, hook).ok and after.vault.read(f"webhook {hook.id}") == secret
    failed = webhooks.send_test(town.ports, hook)
    assert not failed.ok and "sealed with a key that the service does not have" in failed.why


def test_a_message_of_an_earlier_turn_ends_by_itself(town, receiver):
    receiver.answer = (500, {}, b"")
    hook, _ = town.hook(receiver)
    town.runs()
    for turn in (0, 7):
        carry.tell(town.ports, DeliverNotice(run_id="run-one", listener=f"webhook:{hook.id}", turn=turn))
    assert len(receiver.came) == 1
    carry.tell(town.ports, DeliverNotice(run_id="run-one", listener=f"webhook:{hook.id}", turn=1))
    assert len(receiver.came) == 2


# --- what gets lost


def test_nothing_is_made_good_where_nothing_got_lost(town, receiver):
    town.hook(receiver)
    town.submits(reply="replies")
    assert town.looks() == 0
    town.ends()
    assert town.looks() == 0, "it is on its way"
    town.carries()
    town.clock.pass_s(1_000)
    assert town.looks() == 0


def test_news_of_an_end_that_got_lost_are_made_again_from_the_record(town, receiver):
    town.hook(receiver)
    town.submits(reply="replies")
    town.ends()
    assert town.loses() == [RunEnded(run_id="run-one")]
    for _ in range(2):
        town.clock.pass_s(LATE_S)
        assert town.looks() == 1 and town.looks() == 0, "once, and not with every look"
        town.loses() if _ == 0 else town.carries()
    assert len(town.heard("replies")) == len(receiver.came) == 1


def test_an_order_that_got_lost_is_made_again_for_who_has_not_heard(town, receiver):
    hook, _ = town.hook(receiver)
    town.submits(reply="replies")
    town.ends()
    (message,) = town.loses()
    carry.tell(town.ports, message)
    assert town.loses() == [DeliverNotice(run_id="run-one", listener=f"webhook:{hook.id}")]
    town.clock.pass_s(LATE_S)
    assert town.looks() == 1
    town.carries()
    assert len(town.heard("replies")) == len(receiver.came) == 1


def test_a_clock_that_is_set_back_delays_nothing_for_ever(town, receiver):
    receiver.answer = (500, {}, b"")
    town.hook(receiver)
    town.runs()
    town.loses()
    town.clock.jump_s(-7 * 86_400)
    receiver.answer = (200, {}, b"")
    assert town.looks() == 1
    town.carries()
    assert town.owed() is None and len(receiver.came) == 2


def test_a_run_that_never_came_to_be_is_forgotten_after_an_hour(town):
    from orchestrator.notices.announce import expect

    expect(town.ports, "run-never")
    town.clock.pass_s(3_000)
    assert town.looks() == 0 and town.documents.get("announcements", "run-never") is not None
    town.clock.pass_s(700)
    assert town.looks() == 0 and town.documents.get("announcements", "run-never") is None


def test_a_bus_that_does_not_take_an_answer_just_now_gets_it_later(town, receiver, monkeypatch):
    def throttled(*asked: object) -> None:
        raise StoreUnavailable("throttled")

    town.hook(receiver)
    town.submits(reply="replies")
    town.ends()
    with monkeypatch.context() as patched:
        patched.setattr(town.bus, "publish", throttled)
        town.carries()
    assert town.heard("replies") == [] and len(receiver.came) == 1
    assert set(town.owed()) == {"reply"}
    town.carries(10)
    assert len(town.heard("replies")) == 1 and town.owed() is None


def test_what_fails_for_a_reason_of_ours_is_given_up_and_its_run_says_so(town, receiver):
    hook, _ = town.hook(receiver)
    town.submits(reply="replies")
    town.ends()
    carry.give_up(town.ports, DeliverNotice(run_id="run-one", listener=f"webhook:{hook.id}"), "a fault of ours")
    assert "a fault of ours" in town.ports.runs.load("run-one").attention
    carry.give_up(town.ports, RunEnded(run_id="run-one"), "a fault of ours")
    town.clock.pass_s(1_000)
    assert town.looks() == 0 and town.owed() is None
