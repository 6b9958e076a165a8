from dataclasses import replace

from app.takes.deliveries import Hook
from app.takes.hooks import Hooks
from app.takes.ids import Ids
from app.takes.take import Status
from tests.takes.stores import DONE_URL, STATUS_URL, take, voice


def hooks() -> Hooks:
    return Hooks(lambda item: f"{item.id} {item.status}".encode(), Ids(), clock=lambda: 7.0)


def test_every_status_is_told_to_the_one_and_the_last_to_the_other():
    (status,) = hooks().owed(take(status=Status.STARTED))
    assert (status.hook, status.url, status.body) == (Hook.STATUS, STATUS_URL, b"t0001 started")
    assert (status.owner, status.subject, status.next_ms, status.attempts) == ("ann", "t0001", 7000, 0)
    both = hooks().owed(take(status=Status.ERROR))
    assert [(each.hook, each.url) for each in both] == [(Hook.STATUS, STATUS_URL), (Hook.DONE, DONE_URL)]


def test_a_voice_tells_its_end_alone():
    assert hooks().owed(voice(status=Status.STARTED)) == []
    (done,) = hooks().owed(voice(status=Status.READY))
    assert (done.hook, done.url, done.body) == (Hook.DONE, DONE_URL, b"v0001 ready")


def test_who_asked_for_no_call_is_not_called():
    quiet = take(status=Status.READY)
    wording = replace(quiet.request.wording, status_webhook=None, done_webhook=None)
    assert hooks().owed(replace(quiet, request=replace(quiet.request, wording=wording))) == []


def test_calls_have_ids_in_their_order():
    made = hooks()
    owed = [
        each.id for status in (Status.WAITING, Status.STARTED, Status.READY) for each in made.owed(take(status=status))
    ]
    assert owed == sorted(owed) and len(set(owed)) == 4
