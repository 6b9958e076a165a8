import logging
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.websockets import WebSocketDisconnect

from app.errors import Draining, InvalidInput, Overloaded, SessionClosed
from app.runtime.outbox import POSTED_BEYOND_MARK, Message
from app.runtime.session import (
    ABNORMAL,
    BURST,
    BURST_SECONDS,
    CLOSE_SECONDS,
    GOING_AWAY,
    INTERNAL,
    NORMAL,
    POLICY,
    SERVICE_RESTART,
    Ending,
    Session,
    SessionLimits,
)
from tests.fakes import VIRTUAL_TIME, FakeSocket, settle, tasks

pytestmark = pytest.mark.anyio

QUIET = SessionLimits(idle_timeout=0, heartbeat_interval=0)
SMALL = SessionLimits(idle_timeout=0, heartbeat_interval=0, outbox_messages=2)


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


class Talk:
    """A session that runs while the block does, on a fake socket and in virtual time; keeps what it is told.

    When the block ends the peer hangs up, and nothing of the session may be left.
    """

    def __init__(self, limits: SessionLimits = QUIET, **callbacks: Any) -> None:
        self.socket = FakeSocket()
        self.received: list[Message] = []
        self.failures: list[tuple[str, Exception]] = []
        self.cancelled: list[str] = []
        self.congestion: list[bool] = []
        self.ending: Ending | None = None
        self.ended = anyio.Event()
        self.scope = anyio.CancelScope()
        callbacks = {
            "on_failure": lambda key, error: self.failures.append((key, error)),
            "on_cancelled": self.cancelled.append,
            "on_congestion": self.congestion.append,
            "abort": self.socket.abort,
        } | callbacks
        self.session = Session(self.socket, limits, clock=anyio.current_time, **callbacks)
        self.on_message: Callable[[Message], None] = self.received.append
        self._group = anyio.create_task_group()
        self._tasks = tasks()

    async def __aenter__(self) -> "Talk":
        await self._group.__aenter__()
        self._group.start_soon(self._run)
        await settle()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self.socket.hang_up()
        result = await self._group.__aexit__(kind, error, trace)
        assert tasks() == self._tasks
        assert self.session.jobs == 0
        assert self.congestion == [True, False] * (len(self.congestion) // 2)
        return result

    async def _run(self) -> None:
        with self.scope:
            self.ending = await self.session.run(lambda message: self.on_message(message))
        self.ended.set()

    async def hears(self, *messages: Message) -> None:
        """Let the peer say these, and the session react."""
        self.socket.say(*messages)
        await settle()

    async def seconds_until_the_end(self) -> float:
        before = anyio.current_time()
        await self.ended.wait()
        return anyio.current_time() - before

    async def start(self, key: str, job: Callable[[], Awaitable[None]]) -> None:
        self.session.start(key, job)
        await settle()


async def send(session: Session, *messages: Message) -> None:
    for message in messages:
        await session.send(message)


# The reader


async def test_messages_are_handed_on_in_order() -> None:
    async with Talk() as talk:
        await talk.hears("text", b"binary", "")
        assert talk.received == ["text", b"binary", ""]


async def test_the_reader_receives_while_a_job_runs() -> None:
    async with Talk() as talk:
        await talk.start("job", anyio.sleep_forever)
        await talk.hears("cancel")
        assert talk.received == ["cancel"]


async def test_the_reader_receives_while_the_outbox_is_full() -> None:
    async with Talk(SMALL) as talk:
        talk.socket.stop_reading()
        await talk.start("job", partial(send, talk.session, *"abcdef"))
        await talk.hears("ping")
        assert talk.received == ["ping"]
        assert talk.session.jobs == 1


async def test_replies_go_out_between_messages_that_came_at_once() -> None:
    async with Talk(SMALL) as talk:
        talk.on_message = talk.session.post
        many = [str(number) for number in range(2 * POSTED_BEYOND_MARK)]
        await talk.hears(*many)
        assert talk.socket.heard == many


async def test_an_error_of_the_reader_ends_the_session_and_its_jobs() -> None:
    def refuse(message: Message) -> None:
        raise KeyError(message)

    with pytest.raises(ExceptionGroup) as raised:
        async with Talk() as talk:
            talk.on_message = refuse
            await talk.start("job", anyio.sleep_forever)
            await talk.hears("x")
    assert raised.group_contains(KeyError)
    assert talk.socket.closed == (1011, "internal error")


async def test_a_peer_that_is_gone_needs_not_be_told_of_an_error() -> None:
    def refuse(message: Message) -> None:
        talk.socket.abort()
        raise KeyError(message)

    with pytest.raises(ExceptionGroup) as raised:
        async with Talk() as talk:
            talk.on_message = refuse
            await talk.hears("x")
    assert raised.group_contains(KeyError)


# What is sent


async def test_what_is_sent_and_posted_goes_out_in_order() -> None:
    async with Talk() as talk:
        await send(talk.session, "a", b"b")
        talk.session.post("c")
        await send(talk.session, "d")
        await settle()
        assert talk.socket.heard == ["a", b"b", "c", "d"]


class _Large(str):
    """Text that tells when nobody has it any more."""


async def test_a_message_is_let_go_of_before_the_next_one_comes() -> None:
    async with Talk() as talk:
        talk.on_message = lambda message: None
        message = _Large("text")
        gone = weakref.ref(message)
        talk.socket.say(message)
        del message
        await settle()
        assert gone() is None


async def test_a_job_waits_for_a_slow_peer() -> None:
    async with Talk(SMALL) as talk:
        talk.socket.stop_reading()
        await talk.start("job", partial(send, talk.session, *"abcd"))
        assert talk.session.jobs == 1
        talk.socket.read_again()
        await settle()
        assert talk.session.jobs == 0
        assert talk.socket.heard == ["a", "b", "c", "d"]


async def test_room_comes_when_the_peer_has_taken_enough() -> None:
    async with Talk(SMALL) as talk:
        talk.socket.stop_reading()
        await talk.start("first", partial(send, talk.session, *"abc"))
        await talk.start("second", talk.session.room)
        assert talk.session.jobs == 1
        talk.socket.read_again()
        await settle()
        assert talk.session.jobs == 0


async def test_congestion_is_told_when_it_comes_and_when_it_goes() -> None:
    async with Talk(SMALL) as talk:
        talk.socket.stop_reading()
        await talk.start("job", partial(send, talk.session, *"abcd"))
        assert talk.congestion == [True]
        talk.socket.read_again()
        await settle()
        assert talk.congestion == [True, False]


async def test_posts_make_congestion_too() -> None:
    async with Talk(SMALL) as talk:
        talk.socket.stop_reading()
        for _ in range(3):
            talk.session.post("x")
            await settle()
        assert talk.congestion == [True]


async def test_congestion_ends_with_the_session() -> None:
    async with Talk(SMALL) as talk:
        talk.socket.stop_reading()
        await talk.start("job", partial(send, talk.session, *"abcd"))
    assert talk.congestion == [True, False]


async def test_a_session_without_callbacks_needs_none() -> None:
    async with Talk(SMALL, on_congestion=None, on_cancelled=None) as talk:
        talk.socket.stop_reading()
        await talk.start("job", partial(send, talk.session, *"abcd"))
        assert talk.session.cancel("job")
        await settle()
        assert talk.session.jobs == 0


@pytest.mark.parametrize("takes", [True, False])
async def test_messages_go_past_the_socket_if_they_are_taken_at_once(takes: bool) -> None:
    sent: list[Message] = []

    def send_now(message: Message) -> bool:
        sent.extend([message] if takes else [])
        return takes

    async with Talk(send_now=send_now) as talk:
        await talk.start("job", partial(send, talk.session, "a", b"b", "c"))
        talk.session.post(b"d")
        await settle()
        assert (sent, talk.socket.heard) == ((["a", b"b", "c", b"d"], []) if takes else ([], ["a", b"b", "c", b"d"]))


async def test_nothing_goes_past_what_waits_before_it() -> None:
    sent: list[Message] = []
    is_open = False

    def send_now(message: Message) -> bool:
        sent.extend([message] if is_open else [])
        return is_open

    async with Talk(send_now=send_now) as talk:
        talk.socket.stop_reading()
        talk.session.post("a")
        await settle()
        is_open = True
        talk.session.post("b")
        talk.socket.read_again()
        talk.session.post("c")
        assert sent == []
        await settle()
        talk.session.post("d")
        assert (talk.socket.heard, sent) == (["a"], ["b", "c", "d"])


# Jobs


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda talk: talk.socket.hang_up(1001), 1001),
        (lambda talk: talk.session.close(1013, "later"), 1013),
        (lambda talk: talk.session.cut("no"), POLICY),
        (lambda talk: talk.socket.break_off(OSError()) or talk.session.post("x"), ABNORMAL),
        (lambda talk: talk.scope.cancel(), None),
    ],
    ids=["disconnect", "close", "cut", "lost", "cancel"],
)
async def test_jobs_die_before_the_session_returns(end: Callable[[Talk], object], code: int | None) -> None:
    ended_with_jobs: list[int] = []

    async def slow_to_end() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(100)
            ended_with_jobs.append(talk.ending is not None)

    async with Talk() as talk:
        await talk.start("a", slow_to_end)
        await talk.start("b", anyio.sleep_forever)
        end(talk)
        await anyio.sleep(99)
        assert (talk.session.jobs, talk.ending) == (1, None)
    assert ended_with_jobs == [False]
    assert (talk.ending and talk.ending.code) == code
    assert talk.cancelled == []


async def test_a_cancelled_job_is_reported_once() -> None:
    async with Talk() as talk:
        await talk.start("job", anyio.sleep_forever)
        assert talk.session.cancel("job")
        assert not talk.session.cancel("job")
        await settle()
        assert talk.cancelled == ["job"]
        assert not talk.session.cancel("job")
        assert not talk.session.cancel("another")


async def test_a_job_that_is_cancelled_before_it_begins_is_reported() -> None:
    async with Talk() as talk:
        talk.session.start("job", anyio.sleep_forever)
        talk.session.cancel("job")
        await settle()
        assert talk.cancelled == ["job"]


async def test_a_task_takes_job_after_job() -> None:
    async with Talk() as talk:
        await talk.start("1", anyio.lowlevel.checkpoint)
        before = tasks()
        for key in "234":
            await talk.start(key, partial(talk.session.send, key))
        assert tasks() == before
        assert talk.socket.heard == ["2", "3", "4"]


async def test_a_job_that_follows_one_that_was_cancelled_is_not() -> None:
    async with Talk() as talk:
        await talk.start("1", anyio.lowlevel.checkpoint)  # whose task waits for the next
        for key in "23":
            await talk.start(key, anyio.sleep_forever)
            assert talk.session.cancel(key)
            assert not talk.session.cancel(key)
            talk.session.start(f"{key} again", partial(talk.session.send, key))
            await settle()
        assert talk.cancelled == ["2", "3"]
        assert talk.socket.heard == ["2", "3"]


async def test_a_job_is_cancelled_before_its_task_has_taken_it() -> None:
    async with Talk() as talk:
        await talk.start("1", anyio.lowlevel.checkpoint)
        talk.session.start("2", partial(talk.session.send, "never"))
        assert talk.session.cancel("2")
        await settle()
        await talk.start("2", partial(talk.session.send, "now"))
        assert talk.cancelled == ["2"]
        assert talk.socket.heard == ["now"]


async def test_a_cancelled_job_sends_nothing_more_even_if_it_had_just_finished() -> None:
    done = anyio.Event()

    async def reply() -> None:
        await done.wait()
        await talk.session.send("the reply")

    async with Talk() as talk:
        await talk.start("job", reply)
        done.set()
        assert talk.session.cancel("job")
        await settle()
        assert (talk.socket.heard, talk.cancelled) == ([], ["job"])


async def test_a_cancelled_job_is_reported_even_if_it_had_just_finished() -> None:
    done = anyio.Event()
    async with Talk() as talk:
        await talk.start("job", done.wait)
        done.set()
        assert talk.session.cancel("job")
        await settle()
        assert talk.cancelled == ["job"]


async def test_a_cancelled_job_sends_nothing_more_even_if_it_had_just_got_room() -> None:
    async with Talk(SMALL) as talk:
        talk.socket.stop_reading()
        await talk.start("job", partial(send, talk.session, *"abcd"))
        talk.socket.on_send = lambda: talk.session.cancel("job")
        talk.socket.read_again()
        await settle()
        assert (talk.socket.heard, talk.cancelled) == (["a", "b", "c"], ["job"])


async def test_a_failing_job_is_reported_and_the_session_goes_on() -> None:
    error = ZeroDivisionError()

    async def fail() -> None:
        raise error

    async with Talk() as talk:
        await talk.start("job", fail)
        assert talk.failures == [("job", error)]
        await talk.hears("still here")
        assert talk.received == ["still here"]
        await talk.start("job", partial(send, talk.session, "reply"))
        assert talk.socket.heard == ["reply"]


async def test_a_failing_job_is_logged_if_nobody_else_takes_it(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    async with Talk(on_failure=None) as talk:
        await talk.start("job", fail)
    (record,) = caplog.records
    assert (record.levelno, record.__dict__["job"]) == (logging.ERROR, "job")
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_the_key_of_a_job_is_unique_until_it_has_ended() -> None:
    async with Talk() as talk:
        await talk.start("1", anyio.sleep_forever)
        with pytest.raises(InvalidInput, match="id '1' is already in use") as raised:
            talk.session.start("1", anyio.sleep_forever)
        assert raised.value.field == "id"
        talk.session.cancel("1")
        await settle()
        await talk.start("1", anyio.sleep_forever)
        assert talk.session.jobs == 1


async def test_a_session_has_only_so_many_jobs() -> None:
    async with Talk(SessionLimits(max_jobs=2)) as talk:
        await talk.start("1", anyio.sleep_forever)
        await talk.start("2", anyio.sleep_forever)
        with pytest.raises(Overloaded, match="2 may"):
            talk.session.start("3", anyio.sleep_forever)


async def test_zero_is_no_limit_of_jobs() -> None:
    async with Talk(SessionLimits(max_jobs=0)) as talk:
        for key in range(300):
            talk.session.start(str(key), anyio.sleep_forever)
        assert talk.session.jobs == 300


async def test_a_session_that_does_not_run_takes_no_jobs() -> None:
    session = Session(FakeSocket(), QUIET)
    with pytest.raises(SessionClosed):
        session.start("1", anyio.sleep_forever)


@pytest.mark.parametrize("act", [lambda session: session.send("late"), lambda session: session.room()])
async def test_a_job_that_outlives_the_end_is_told_and_not_reported(act: Callable[[Session], Awaitable[None]]) -> None:
    raised: list[bool] = []

    async def late() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(1)
            try:
                await act(talk.session)
            except SessionClosed:
                raised.append(True)
                raise

    async with Talk() as talk:
        await talk.start("job", late)
        talk.session.close()
        with pytest.raises(SessionClosed):
            talk.session.start("another", anyio.sleep_forever)
        await anyio.sleep(2)
    assert raised == [True]
    assert (talk.failures, talk.cancelled, talk.socket.heard) == ([], [], [])


# Heartbeat and idle timeout


BEATING = SessionLimits(idle_timeout=300, heartbeat_interval=30)


def beat() -> str:
    return "heartbeat"


async def test_a_quiet_session_gets_a_heartbeat_each_interval() -> None:
    async with Talk(BEATING, heartbeat=beat) as talk:
        await anyio.sleep(29.9)
        assert talk.socket.heard == []
        await anyio.sleep(30)
        assert talk.socket.heard == ["heartbeat"]
        await anyio.sleep(0.2)
        assert talk.socket.heard == ["heartbeat", "heartbeat"]


async def test_traffic_puts_the_heartbeat_off() -> None:
    async with Talk(BEATING, heartbeat=beat) as talk:
        await anyio.sleep(20)
        await talk.hears("hello")
        await anyio.sleep(20)
        talk.session.post("news")
        await anyio.sleep(29)
        assert talk.socket.heard == ["news"]
        await anyio.sleep(2)
        assert talk.socket.heard == ["news", "heartbeat"]


async def test_no_heartbeat_comes_between_a_request_and_its_reply() -> None:
    async def slow_reply() -> None:
        await anyio.sleep(100)
        await talk.session.send("reply")

    async with Talk(BEATING, heartbeat=beat) as talk:
        talk.on_message = lambda message: talk.session.start("job", slow_reply)
        await anyio.sleep(25)
        await talk.hears("request")
        await anyio.sleep(100 + 29)
        assert talk.socket.heard == ["reply"]
        await anyio.sleep(2)
        assert talk.socket.heard == ["reply", "heartbeat"]


async def test_no_heartbeat_overtakes_a_reply_that_the_peer_takes_late() -> None:
    async with Talk(BEATING, heartbeat=beat) as talk:
        talk.socket.stop_reading()
        await talk.start("job", partial(send, talk.session, "reply"))
        await anyio.sleep(100)
        talk.socket.read_again()
        await anyio.sleep(1)
        assert talk.socket.heard == ["reply"]


async def test_who_makes_no_heartbeat_sends_none() -> None:
    async with Talk(SessionLimits(idle_timeout=0, heartbeat_interval=30)) as talk:
        await anyio.sleep(1000)
        assert talk.socket.heard == []


async def test_an_idle_session_is_closed() -> None:
    async with Talk(BEATING, heartbeat=beat) as talk:
        await talk.hears("hello")
        assert await talk.seconds_until_the_end() == pytest.approx(300, abs=0.001)
        assert talk.socket.closed == (NORMAL, "idle timeout")
        assert talk.socket.heard == ["heartbeat"] * 9


async def test_who_answers_heartbeats_is_not_idle() -> None:
    async with Talk(BEATING, heartbeat=beat) as talk:
        for _ in range(20):
            await anyio.sleep(299)
            await talk.hears("heartbeat_ack")
        assert talk.ending is None


async def test_a_session_is_idle_only_some_time_after_its_last_job() -> None:
    async with Talk(SessionLimits(idle_timeout=300)) as talk:
        await talk.start("job", partial(anyio.sleep, 1000))
        assert await talk.seconds_until_the_end() == pytest.approx(1300, abs=0.001)


# The end


async def test_only_activity_keeps_a_session_from_being_idle() -> None:
    limits = SessionLimits(idle_timeout=300, heartbeat_interval=0)
    async with Talk(limits, is_activity=lambda message: message == "sound") as talk:
        talk.socket.say("sound")
        await anyio.sleep(200)
        talk.socket.say("words")
        await anyio.sleep(100.1)
        assert talk.socket.closed == (NORMAL, "idle timeout")
    assert talk.received == ["sound", "words"]


class Diverter:
    """A server that diverts binary messages."""

    def __init__(self) -> None:
        self.take: Callable[[bytes], None] | None = None

    def __call__(self, take: Callable[[bytes], None] | None) -> None:
        self.take = take

    def bring(self, message: bytes) -> None:
        assert self.take is not None
        self.take(message)


async def test_diverted_messages_are_heard_and_count_as_activity() -> None:
    diverter = Diverter()
    async with Talk(SessionLimits(idle_timeout=300, heartbeat_interval=0), divert=diverter) as talk:
        await anyio.sleep(200)
        diverter.bring(b"sound")
        await anyio.sleep(200)
        assert talk.socket.closed is None
    assert talk.received == [b"sound"]
    assert diverter.take is None


async def test_nothing_is_diverted_to_a_session_that_has_ended() -> None:
    diverter = Diverter()
    async with Talk(divert=diverter) as talk:
        talk.session.close()
        diverter.bring(b"late")
        assert diverter.take is None
    assert talk.received == []


async def test_a_patient_session_reads_no_further_than_it_may_answer() -> None:
    diverter = Diverter()
    async with Talk(SMALL, divert=diverter, patient=True) as talk:
        talk.on_message = talk.session.post
        talk.socket.stop_reading()
        diverter.bring(b"1")
        await settle()
        diverter.bring(b"2")
        diverter.bring(b"3")
        assert diverter.take is None
        talk.socket.say(*(b"%d" % n for n in range(4, 400)))
        await settle()
        assert diverter.take is None
        talk.socket.read_again()
        await anyio.sleep(1)
        diverter.bring(b"400")
        await settle()
        assert talk.socket.heard == [b"%d" % n for n in range(1, 401)]
        assert talk.socket.closed is None


async def test_many_messages_at_once_let_others_work_in_between() -> None:
    diverter = Diverter()
    async with Talk(divert=diverter) as talk:
        for _ in range(BURST):
            diverter.bring(b"")
        assert diverter.take is not None
        diverter.bring(b"")
        assert diverter.take is None
        await anyio.sleep(2 * BURST_SECONDS)
        talk.socket.say(b"")
        await settle()
        diverter.bring(b"")
        assert diverter.take is not None
    assert len(talk.received) == BURST + 3


async def test_a_session_may_begin_with_a_job() -> None:
    socket = FakeSocket()
    session = Session(socket, QUIET)

    async def play() -> None:
        await session.send(b"music")
        session.close()

    async with anyio.create_task_group() as group:
        group.start_soon(partial(session.run, lambda message: None, begin=lambda: session.start("play", play)))
        await settle()
        socket.hang_up()
    assert (socket.heard, socket.closed) == ([b"music"], (NORMAL, ""))


class TextDiverter:
    """A server that offers text to whom it is told."""

    take: Callable[[str], bool] | None = None

    def __call__(self, take: Callable[[str], bool] | None) -> None:
        self.take = take

    def offer(self, text: str) -> bool:
        assert self.take is not None
        return self.take(text)


async def test_text_is_taken_past_the_reader_while_a_task_waits_for_a_job() -> None:
    diverter = TextDiverter()
    async with Talk(divert_text=diverter) as talk:
        assert not diverter.offer("early")
        await talk.start("1", anyio.lowlevel.checkpoint)
        talk.on_message = lambda text: talk.session.start(str(text), partial(talk.session.send, text))
        assert diverter.offer("2")
        assert not diverter.offer("3")
        await settle()
        assert diverter.offer("3")
        await settle()
        assert talk.socket.heard == ["2", "3"]
        talk.session.close()
        assert not diverter.offer("late")
    assert diverter.take is None


async def test_a_fault_over_text_past_the_reader_is_told_to_the_peer(caplog: pytest.LogCaptureFixture) -> None:
    diverter = TextDiverter()
    async with Talk(divert_text=diverter) as talk:
        await talk.start("1", anyio.lowlevel.checkpoint)
        talk.on_message = lambda message: 1 / 0
        assert diverter.offer("text")
        await settle()
    assert talk.ending == Ending(INTERNAL, "internal error")
    assert "a message failed" in caplog.text


async def test_a_fault_over_a_diverted_message_is_told_to_the_peer(caplog: pytest.LogCaptureFixture) -> None:
    diverter = Diverter()
    async with Talk(divert=diverter) as talk:
        talk.on_message = lambda message: 1 / 0
        diverter.bring(b"sound")
        await settle()
    assert talk.ending == Ending(INTERNAL, "internal error")
    assert talk.socket.closed == (INTERNAL, "internal error")
    assert "a message failed" in caplog.text


async def test_the_peers_end_is_the_sessions() -> None:
    async with Talk() as talk:
        talk.socket.hang_up(4321, "bye")
    assert talk.ending == Ending(4321, "bye")
    assert talk.socket.closed is None


async def test_a_peer_that_is_lost_says_no_code() -> None:
    async with Talk() as talk:
        talk.socket.hang_up(None, None)
    assert talk.ending == Ending(ABNORMAL, "")


async def test_closing_sends_what_waits_first_and_is_done_once() -> None:
    async with Talk() as talk:
        for message in "abc":
            talk.session.post(message)
        talk.session.close(4000, "enough")
        talk.session.close(4001, "again")
        talk.session.post("late")
        await settle()
        assert talk.socket.heard == ["a", "b", "c"]
        assert talk.socket.closed == (4000, "enough")
        assert talk.ending == Ending(4000, "enough")


async def test_closing_cancels_the_jobs_before_what_waits_has_gone_out() -> None:
    async with Talk() as talk:
        talk.socket.stop_reading()
        await talk.start("job", anyio.sleep_forever)
        talk.session.close()
        await settle()
        assert (talk.session.jobs, talk.ending) == (0, None)


async def test_a_session_that_is_closed_before_it_runs_closes_at_once() -> None:
    talk = Talk()
    talk.session.close(1013, "later")
    async with talk:
        assert talk.socket.closed == (1013, "later")


async def test_what_comes_while_the_session_closes_is_ignored() -> None:
    async with Talk() as talk:
        talk.socket.stop_reading()
        talk.session.post("last words")
        await settle()
        talk.session.close()
        await talk.hears("one more thing")
        assert talk.received == []
        talk.socket.read_again()
        await settle()
        assert (talk.socket.heard, talk.socket.closed) == (["last words"], (NORMAL, ""))


async def test_a_peer_that_hangs_up_while_the_session_closes_is_gone() -> None:
    async with Talk() as talk:
        talk.socket.stop_reading()
        talk.session.close()
        await settle()
        talk.socket.hang_up(1001)
        await settle()
        assert talk.ending == Ending(1001, "")


@pytest.mark.parametrize("posts", [0, 3])
async def test_a_peer_that_does_not_take_the_close_is_cut(posts: int) -> None:
    async with Talk() as talk:
        talk.socket.stop_reading()
        for _ in range(posts):
            talk.session.post("x")
        await settle()
        talk.session.close(1013, "later")
        assert await talk.seconds_until_the_end() == pytest.approx(CLOSE_SECONDS, abs=0.001)
        assert (talk.ending, talk.socket.aborted, talk.socket.closed) == (Ending(1013, "later"), 1, None)


async def test_a_session_ends_even_where_nothing_can_be_cut() -> None:
    async with Talk(abort=None) as talk:
        talk.socket.stop_reading()
        talk.session.close()
        assert await talk.seconds_until_the_end() == pytest.approx(CLOSE_SECONDS, abs=0.001)


@pytest.mark.parametrize("abort", [True, False])
async def test_a_peer_that_asks_and_does_not_read_is_sent_away(abort: bool) -> None:
    async with Talk(SMALL, **({} if abort else {"abort": None})) as talk:
        talk.on_message = talk.session.post
        talk.socket.stop_reading()
        await talk.hears(*["ping"] * (POSTED_BEYOND_MARK + 4))
        assert talk.ending == Ending(POLICY, "replies are not read")
        assert talk.socket.aborted == abort


async def test_a_session_that_is_cut_before_it_runs_does_not_converse() -> None:
    talk = Talk()
    talk.session.cut("unwanted")
    async with talk:
        assert talk.ending == Ending(POLICY, "unwanted")
        assert talk.socket.aborted == 1


@pytest.mark.parametrize("error", [OSError("reset"), WebSocketDisconnect(1006), RuntimeError("after close")])
async def test_a_peer_that_is_gone_in_the_middle_of_a_message_ends_the_session(error: Exception) -> None:
    async with Talk() as talk:
        talk.socket.stop_reading()
        talk.session.post("half")
        await settle()
        talk.socket.break_off(error)
        await settle()
        assert talk.ending == Ending(ABNORMAL, str(error))
        assert talk.socket.aborted == 0


async def test_a_peer_that_is_gone_before_the_close_frame_changes_no_code() -> None:
    async with Talk() as talk:
        talk.socket.break_off(OSError())
        talk.session.close(1013, "later")
        await settle()
        assert talk.ending == Ending(1013, "later")


async def test_cancelling_ends_the_session() -> None:
    async with Talk(SMALL) as talk:
        talk.socket.stop_reading()
        await talk.start("job", partial(send, talk.session, *"abcd"))
        talk.scope.cancel()
        await settle()
        assert talk.scope.cancelled_caught
        assert talk.session.jobs == 0
        with pytest.raises(SessionClosed):
            await talk.session.send("late")
        assert talk.session._ending == Ending(GOING_AWAY, "cancelled")


# Draining


async def test_an_idle_session_is_drained_at_once() -> None:
    async with Talk() as talk:
        talk.session.drain()
        await settle()
        assert talk.socket.closed == (SERVICE_RESTART, "server is restarting")


async def test_a_busy_session_is_drained_after_its_last_job() -> None:
    async def reply(seconds: float) -> None:
        await anyio.sleep(seconds)
        await talk.session.send("reply")

    async with Talk() as talk:
        await talk.start("1", partial(reply, 10))
        await talk.start("2", partial(reply, 20))
        talk.session.drain()
        with pytest.raises(Draining):
            talk.session.start("3", anyio.sleep_forever)
        assert await talk.seconds_until_the_end() == pytest.approx(20, abs=0.001)
        assert talk.socket.heard == ["reply", "reply"]
        assert talk.socket.closed == (SERVICE_RESTART, "server is restarting")


# The whole


class Script:
    """What may happen to a session, one after another."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.sent: list[Message] = []
        self.cancelled: set[str] = set()
        self.failed: set[str] = set()
        self._running: list[str] = []
        self._numbers = count()

    def post(self) -> None:
        self.talk.session.post(message := f"post {next(self._numbers)}")
        self.sent.append(message)

    def work(self, messages: int) -> None:
        key = str(next(self._numbers))
        self.talk.session.start(key, partial(self._job, key, messages))
        self._running.append(key)

    async def _job(self, key: str, messages: int) -> None:
        try:
            for number in range(messages):
                await self.talk.session.send(message := f"job {key}, {number}")
                assert key not in self.cancelled
                self.sent.append(message)
                await anyio.sleep(0.5)
            if messages == 5:
                self.failed.add(key)
                raise ZeroDivisionError
        finally:
            self._running.remove(key)

    def cancel(self, which: int) -> None:
        key = self._running[which % len(self._running)] if self._running else "nobody"
        if self.talk.session.cancel(key):
            self.cancelled.add(key)

    def stop_reading(self) -> None:
        self.talk.socket.stop_reading()

    def read_again(self) -> None:
        self.talk.socket.read_again()

    def say(self) -> None:
        self.talk.socket.say("hello")


happenings = st.one_of(
    st.tuples(st.just(Script.post)),
    st.tuples(st.just(Script.work), st.integers(0, 5)),
    st.tuples(st.just(Script.cancel), st.integers(0, 9)),
    st.tuples(st.just(Script.stop_reading)),
    st.tuples(st.just(Script.read_again)),
    st.tuples(st.just(Script.say)),
)


@given(script=st.lists(st.tuples(happenings, st.floats(0.0, 1.0)), max_size=25), closes=st.booleans())
@settings(deadline=None)
async def test_law_what_was_sent_is_heard_in_order_and_each_job_has_one_outcome(
    script: list[tuple[tuple[Any, ...], float]], closes: bool
) -> None:
    async with Talk(SMALL) as talk:
        play = Script(talk)
        for (do, *arguments), pause in script:
            do(play, *arguments)
            await anyio.sleep(pause)
        await settle()
        assert sorted(key for key, _ in talk.failures) == sorted(play.failed)
        assert sorted(talk.cancelled) == sorted(play.cancelled - play.failed)
        talk.socket.read_again()
        if closes:
            talk.session.close()
            await settle()
            assert talk.socket.heard == play.sent
    assert talk.socket.heard == play.sent[: len(talk.socket.heard)]
