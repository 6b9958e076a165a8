import io
import wave
from dataclasses import replace
from itertools import count
from pathlib import Path

import anyio
import pytest

from app.audio.format import Format
from app.errors import (
    BackendUnavailable,
    DeadlineExceeded,
    Expired,
    InvalidInput,
    QueueFull,
    TextTooLong,
    WorkerLost,
)
from app.runtime.workers import Workers
from app.tts.backend import Health, Traits
from app.tts.backends.tone import Tone
from app.tts.cache import SpeechCache
from app.tts.disk_cache import DiskCache
from app.tts.speech import Manner, SpeechRequest
from app.tts.synthesizer import Synthesizer
from tests.tts.fake_backend import FakeBackend

pytestmark = pytest.mark.anyio

HELLO = SpeechRequest("hello there", sample_rate=8000)


def engine(*backends: FakeBackend, cache_bytes: int = 1_000_000, queue_depth: int = 10, **options) -> Synthesizer:
    return Synthesizer(
        backends,
        workers=Workers({"codec": 2}),
        cache=SpeechCache(max_bytes=cache_bytes),
        queue_depth=queue_depth,
        **options,
    )


async def until_idle() -> None:
    await anyio.wait_all_tasks_blocked()


async def test_speech_is_a_file_that_tells_the_truth():
    async with engine(FakeBackend()) as synthesizer:
        speech = await synthesizer.speak(HELLO, client="a")
    with wave.open(io.BytesIO(speech.audio)) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(speech.duration) == pytest.approx(0.11)
    assert (speech.backend, speech.voice.id, speech.sample_rate, speech.cached) == ("fake", "fake-en-US", 8000, False)


async def test_the_backends_run_as_long_as_the_engine():
    backend = FakeBackend()
    async with engine(backend):
        assert backend.is_running
    assert not backend.is_running


async def test_the_second_time_comes_from_the_cache():
    backend = FakeBackend()
    async with engine(backend) as synthesizer:
        first = await synthesizer.speak(HELLO, client="a")
        second = await synthesizer.speak(HELLO, client="b")
    assert second == replace(first, cached=True)
    assert backend.started == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(HELLO, text="hello here"),
        replace(HELLO, sample_rate=16_000),
        replace(HELLO, format=Format.FLAC),
        replace(HELLO, voice="fake-zh-CN"),
        replace(HELLO, manner=Manner(pitch=0.5)),
        replace(HELLO, manner=Manner(pitch_range=1.1)),
        replace(HELLO, manner=Manner(timbre=-0.5)),
        replace(HELLO, manner=Manner(tilt=0.5)),
        replace(HELLO, manner=Manner(volume=-1)),
    ],
)
async def test_whatever_changes_the_sound_is_another_speech(other):
    async with engine(FakeBackend()) as synthesizer:
        await synthesizer.speak(HELLO, client="a")
        assert not (await synthesizer.speak(other, client="a")).cached


async def test_a_manner_is_the_same_however_it_is_asked_for():
    markup = '<speak><prosody pitch="+2st" volume="-3dB">hello there</prosody></speak>'
    async with engine(FakeBackend()) as synthesizer:
        await synthesizer.speak(replace(HELLO, manner=Manner(pitch=2, volume=-3)), client="a")
        assert (await synthesizer.speak(replace(HELLO, text=markup, ssml=True), client="a")).cached


async def test_equal_requests_at_once_are_made_once():
    backend = FakeBackend(concurrency=4, gated=True)
    results = []

    async def ask(client: int) -> None:
        results.append(await synthesizer.speak(HELLO, client=client))

    async with engine(backend) as synthesizer, anyio.create_task_group() as group:
        for client in range(20):
            group.start_soon(ask, client)
        await until_idle()
        backend.open_gate()
    assert (backend.started, len(results)) == (1, 20)
    assert len({result.audio for result in results}) == 1


async def test_if_the_maker_leaves_another_takes_over():
    backend = FakeBackend(gated=True)
    results = []

    async def make() -> None:
        with maker:
            await synthesizer.speak(HELLO, client="a")

    async def join() -> None:
        results.append(await synthesizer.speak(HELLO, client="b"))

    maker = anyio.CancelScope()
    async with engine(backend) as synthesizer, anyio.create_task_group() as group:
        group.start_soon(make)
        await until_idle()
        group.start_soon(join)
        await until_idle()
        maker.cancel()
        await until_idle()
        backend.open_gate()
    assert (backend.started, backend.cancelled, len(results)) == (2, 1, 1)


async def test_a_failure_is_told_to_all_who_wait_and_not_to_those_who_come_later():
    backend = FakeBackend(gated=True)
    backend.failure = WorkerLost("it crashed")
    failures = []

    async def ask() -> None:
        try:
            await synthesizer.speak(HELLO, client="a")
        except WorkerLost as error:
            failures.append(error)

    async with engine(backend) as synthesizer:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask)
            await until_idle()
            backend.open_gate()
        backend.failure = None
        assert not (await synthesizer.speak(HELLO, client="a")).cached
    assert len(failures) == 3


async def test_no_more_run_at_once_than_the_backend_can():
    backend = FakeBackend(concurrency=2, gated=True)
    async with engine(backend) as synthesizer, anyio.create_task_group() as group:
        for n in range(8):
            group.start_soon(lambda n=n: synthesizer.speak(replace(HELLO, text=f"line {n}"), client=n))
        await until_idle()
        assert (synthesizer.report().running, synthesizer.report().waiting) == (2, 6)
        assert synthesizer.position(2) == 1
        assert synthesizer.position(7) == 6
        assert synthesizer.position(0) is None
        backend.open_gate()
    assert backend.most_at_once == 2


async def test_a_full_line_refuses():
    backend = FakeBackend(gated=True)
    async with engine(backend, queue_depth=1) as synthesizer, anyio.create_task_group() as group:
        for n in range(2):
            group.start_soon(lambda n=n: synthesizer.speak(replace(HELLO, text=f"line {n}"), client=n))
        await until_idle()
        with pytest.raises(QueueFull):
            await synthesizer.speak(HELLO, client=9)
        backend.open_gate()


async def test_a_held_client_waits_and_the_others_do_not():
    backend = FakeBackend()
    order = []

    async def ask(client: str) -> None:
        await synthesizer.speak(replace(HELLO, text=client), client=client)
        order.append(client)

    async with engine(backend) as synthesizer, anyio.create_task_group() as group:
        synthesizer.hold("slow")
        group.start_soon(ask, "slow")
        group.start_soon(ask, "quick")
        await until_idle()
        assert order == ["quick"]
        synthesizer.let_go("slow")
    assert order == ["quick", "slow"]


@pytest.mark.parametrize("text", ["", "   ", "\n", "🎉🎉", "。。。！", "\u200b\u202e"])
async def test_a_text_without_words_is_refused(text):
    async with engine(FakeBackend()) as synthesizer:
        with pytest.raises(InvalidInput) as raised:
            await synthesizer.speak(replace(HELLO, text=text), client="a")
    assert raised.value.field == "text"


async def test_a_named_backend_that_cannot_speak_is_an_error():
    backend, other = FakeBackend("first"), FakeBackend("second")
    backend.state = Health(False, "no model")
    async with engine(backend, other) as synthesizer:
        assert synthesizer.available == ["second"]
        with pytest.raises(BackendUnavailable):
            await synthesizer.speak(replace(HELLO, backend="first"), client="a")
        assert (await synthesizer.speak(HELLO, client="a")).backend == "second"


async def test_a_pause_is_silence_of_that_length():
    async with engine(FakeBackend()) as synthesizer:
        speech = await synthesizer.pause(HELLO, seconds=0.5)
    with wave.open(io.BytesIO(speech.audio)) as file:
        assert set(file.readframes(10_000)) == {0}
    assert speech.duration == 0.5


@pytest.mark.parametrize("format", [Format.WAV, Format.MP3, Format.OGG])
async def test_a_stream_is_one_file(format):
    text = "This is a sentence. " * 20
    emitted: list[bytes] = []

    async def room() -> None:
        pass

    async with engine(FakeBackend()) as synthesizer:
        request = replace(HELLO, text=text, format=format)
        await synthesizer.stream(request, client="a", emit=emitted.append, room=room)
    audio = b"".join(emitted)
    assert len(emitted) > 4
    assert audio[:4] in (b"RIFF", b"OggS") or audio[0] == 0xFF


async def test_before_each_piece_of_a_stream_there_must_be_room():
    backend = FakeBackend()
    gate = anyio.Event()
    emitted: list[bytes] = []
    async with engine(backend) as synthesizer, anyio.create_task_group() as group:
        request = replace(HELLO, text="One sentence here. " * 20)
        group.start_soon(lambda: synthesizer.stream(request, client="a", emit=emitted.append, room=gate.wait))
        await until_idle()
        assert (emitted, synthesizer.report().running) == ([], 0)
        gate.set()
    assert emitted


async def test_every_job_is_told():
    told = []
    backend = FakeBackend()
    async with engine(backend, on_job=lambda *job: told.append(job)) as synthesizer:
        await synthesizer.speak(HELLO, client="a")
        backend.failure = WorkerLost("it crashed")
        with pytest.raises(WorkerLost):
            await synthesizer.speak(replace(HELLO, text="again"), client="a")
    assert [(name, error) for name, _, error in told] == [("fake", None), ("fake", backend.failure)]


# Fall-back


@pytest.mark.parametrize(
    "failure", [WorkerLost("it crashed"), DeadlineExceeded("too slow"), BackendUnavailable("first", reason="403")]
)
async def test_a_failing_backend_hands_over_and_the_reply_says_so(failure):
    first, second = FakeBackend("first"), FakeBackend("second")
    first.failure = failure
    async with engine(first, second) as synthesizer:
        speech = await synthesizer.speak(HELLO, client="a")
        again = await synthesizer.speak(HELLO, client="a")
    assert (speech.backend, speech.voice.language, speech.fallback_from) == ("second", "en-US", "first")
    assert (again.fallback_from, again.cached, first.started) == ("first", True, 2)


async def test_what_was_fallen_back_is_not_kept_for_the_first():
    first, second = FakeBackend("first"), FakeBackend("second")
    first.failure = WorkerLost("it crashed")
    async with engine(first, second) as synthesizer:
        await synthesizer.speak(HELLO, client="a")
        first.failure = None
        healed = await synthesizer.speak(HELLO, client="a")
    assert (healed.backend, healed.fallback_from, healed.cached) == ("first", None, False)


async def test_a_backend_that_takes_too_long_hands_over():
    first, second = FakeBackend("first", gated=True), FakeBackend("second")
    async with engine(first, second, handover_seconds=0.05) as synthesizer:
        speech = await synthesizer.speak(HELLO, client="a")
    assert (speech.backend, speech.fallback_from, first.cancelled) == ("second", "first", 1)


async def test_an_outage_is_told_while_it_lasts():
    first, second = FakeBackend("first"), FakeBackend("second")
    async with engine(first, second) as synthesizer:
        await synthesizer.speak(HELLO, client="a")
        first.state = Health(False, "no network")
        speech = await synthesizer.speak(replace(HELLO, text="hello again"), client="a")
    assert (speech.backend, speech.fallback_from) == ("second", "first")


async def test_a_named_backend_is_never_replaced():
    first, second = FakeBackend("first"), FakeBackend("second")
    first.failure = WorkerLost("it crashed")
    async with engine(first, second) as synthesizer:
        with pytest.raises(WorkerLost):
            await synthesizer.speak(replace(HELLO, backend="first"), client="a")
    assert second.started == 0


async def test_if_all_fail_the_first_failure_is_told():
    first, second = FakeBackend("first"), FakeBackend("second")
    first.failure, second.failure = WorkerLost("the first"), WorkerLost("the second")
    async with engine(first, second) as synthesizer:
        with pytest.raises(WorkerLost, match="the first"):
            await synthesizer.speak(HELLO, client="a")


async def test_what_is_wrong_with_the_request_is_nobodys_to_mend():
    first, second = FakeBackend("first"), FakeBackend("second")
    first.failure = TextTooLong("too long", length=2, limit=1)
    async with engine(first, second) as synthesizer:
        with pytest.raises(TextTooLong):
            await synthesizer.speak(HELLO, client="a")
    assert second.started == 0


async def test_a_stream_hands_over_before_its_first_sound():
    first, second = FakeBackend("first"), FakeBackend("second")
    first.failure = WorkerLost("it crashed")
    emitted: list[bytes] = []
    async with engine(first, second) as synthesizer:
        await synthesizer.stream(HELLO, client="a", emit=emitted.append, room=anyio.lowlevel.checkpoint)
    assert second.spoken == ["hello there"]
    assert b"".join(emitted).startswith(b"RIFF")


async def test_a_stream_that_has_sounded_does_not_hand_over():
    first, second = FakeBackend("first"), FakeBackend("second")
    emitted: list[bytes] = []

    def emit(data: bytes) -> None:
        emitted.append(data)
        first.failure = WorkerLost("it crashed")

    async with engine(first, second) as synthesizer:
        request = replace(HELLO, text="One sentence of it. Another, different sentence. " * 3 + "And an end, at last.")
        with pytest.raises(WorkerLost):
            await synthesizer.stream(request, client="a", emit=emit, room=anyio.lowlevel.checkpoint)
    assert emitted
    assert second.started == 0


# Under load


async def test_a_line_that_waited_too_long_is_dropped():
    backend = FakeBackend(gated=True)
    async with engine(backend) as synthesizer, anyio.create_task_group() as group:
        group.start_soon(lambda: synthesizer.speak(HELLO, client="a"))
        await until_idle()
        with pytest.raises(Expired):
            await synthesizer.speak(replace(HELLO, text="stale", max_age=0.02), client="b")
        assert synthesizer.report().waiting == 0
        backend.open_gate()
    assert backend.spoken == ["hello there"]


async def test_a_backend_tells_its_rate():
    async with engine(FakeBackend()) as synthesizer:
        assert synthesizer.sample_rate("fake") == 8000
        with pytest.raises(BackendUnavailable, match="absent"):
            synthesizer.sample_rate("absent")


async def test_who_may_not_be_hurried_is_not():
    now = [0.0]
    backend = FakeBackend(gated=True)
    async with engine(backend, catch_up=1.5, clock=lambda: now[0]) as synthesizer, anyio.create_task_group() as group:
        group.start_soon(lambda: synthesizer.speak(HELLO, client="a"))
        await until_idle()
        now[0] = 4.0
        backend.open_gate()
        await until_idle()
        backend.close_gate()
        for n, may_hurry in enumerate((True, True, True, False)):
            text = replace(HELLO, text=f"line {n}")
            group.start_soon(lambda n=n, text=text, h=may_hurry: synthesizer.speak(text, client=n, may_hurry=h))
            await until_idle()
        backend.open_gate()
    assert backend.speeds == [1.0, 1.0, 1.0, 1.4, 1.0]


async def test_lines_are_spoken_faster_while_many_wait():
    now = [0.0]
    backend = FakeBackend(gated=True)
    async with engine(backend, catch_up=1.5, clock=lambda: now[0]) as synthesizer, anyio.create_task_group() as group:
        group.start_soon(lambda: synthesizer.speak(HELLO, client="a"))
        await until_idle()
        now[0] = 4.0
        backend.open_gate()
        await until_idle()
        backend.close_gate()
        for n in range(8):
            group.start_soon(lambda n=n: synthesizer.speak(replace(HELLO, text=f"line {n}"), client=n))
            await until_idle()
        backend.open_gate()
    assert backend.speeds[:2] == [1.0, 1.0]
    assert backend.speeds == sorted(backend.speeds)
    assert backend.speeds[-1] == 1.5


COSTLY = Traits(fidelity=2, is_costly=True)


def engine_with_disk(folder: Path, *backends: FakeBackend) -> Synthesizer:
    workers = Workers({"codec": 2, "files": 2})
    disk = DiskCache(folder, workers=workers, max_bytes=1_000_000)
    memory = SpeechCache(max_bytes=1_000_000)
    return Synthesizer(backends, workers=workers, cache=memory, disk=disk, queue_depth=10)


async def test_costly_speech_is_remembered_over_a_restart(tmp_path):
    first, second = FakeBackend(traits=COSTLY), FakeBackend(traits=COSTLY)
    async with engine_with_disk(tmp_path, first) as before:
        made = await before.speak(HELLO, client="a")
    async with engine_with_disk(tmp_path, second) as after:
        assert await after.speak(HELLO, client="a") == replace(made, cached=True)
        assert await after.speak(HELLO, client="a") == replace(made, cached=True)
    assert (first.started, second.started) == (1, 0)
    assert (after.cache.hits, after.cache.misses, after.cache.disk_hits) == (2, 0, 1)


async def test_cheap_speech_is_made_again_after_a_restart(tmp_path):
    for _ in range(2):
        async with engine_with_disk(tmp_path, FakeBackend()) as synthesizer:
            assert not (await synthesizer.speak(HELLO, client="a")).cached


async def test_a_stand_in_is_not_remembered_for_the_one_who_failed(tmp_path):
    for _ in range(2):
        costly, stand_in = FakeBackend("costly", traits=COSTLY), FakeBackend("cheap")
        costly.failure = WorkerLost("it crashed")
        async with engine_with_disk(tmp_path, costly, stand_in) as synthesizer:
            speech = await synthesizer.speak(HELLO, client="a")
        assert (speech.backend, speech.fallback_from, speech.cached) == ("cheap", "costly", False)


@pytest.mark.parametrize("wanted", [{}, {"backend": "costly"}, {"voice": "costly-en-US"}])
async def test_what_was_spoken_before_is_heard_in_an_outage(tmp_path, wanted):
    request = replace(HELLO, **wanted)
    for is_restarted in (False, True):
        costly, stand_in = FakeBackend("costly", traits=COSTLY), FakeBackend("cheap")
        async with engine_with_disk(tmp_path, costly, stand_in) as synthesizer:
            if not is_restarted:
                made = await synthesizer.speak(request, client="a")
            costly.state = Health(False, "no network")
            assert await synthesizer.speak(request, client="a") == replace(made, cached=True)
    assert (made.backend, made.fallback_from, stand_in.started) == ("costly", None, 0)


async def test_what_nobody_spoke_before_an_outage_goes_its_way(tmp_path):
    costly, stand_in = FakeBackend("costly", traits=COSTLY), FakeBackend("cheap")
    async with engine_with_disk(tmp_path, costly, stand_in) as synthesizer:
        await synthesizer.speak(HELLO, client="a")
        costly.state = Health(False, "no network")
        other = await synthesizer.speak(replace(HELLO, text="something else"), client="a")
        with pytest.raises(BackendUnavailable):
            await synthesizer.speak(replace(HELLO, text="something else", backend="costly"), client="a")
    assert (other.backend, other.fallback_from, other.cached) == ("cheap", "costly", False)


async def test_another_model_is_not_heard_in_the_speech_of_the_first(tmp_path):
    for version in ("1", "2"):
        backend = FakeBackend(traits=COSTLY)
        backend._voices = [replace(voice, version=version) for voice in backend._voices]
        async with engine_with_disk(tmp_path, backend) as synthesizer:
            assert not (await synthesizer.speak(HELLO, client="a")).cached


async def stream_all(synthesizer: Synthesizer, request: SpeechRequest) -> None:
    await synthesizer.stream(request, client="a", emit=lambda data: None, room=anyio.lowlevel.checkpoint)


@pytest.mark.parametrize(("is_gradual", "first"), [(True, "one, two, three."), (False, "one, ")])
async def test_a_stream_begins_with_a_short_piece_where_that_is_heard_sooner(is_gradual, first):
    backend = FakeBackend(traits=Traits(fidelity=3, is_gradual=is_gradual))
    async with engine(backend) as synthesizer:
        await stream_all(synthesizer, replace(HELLO, text="one, two, three."))
    assert backend.spoken[0] == first


async def test_the_first_sound_of_a_stream_is_told_once():
    told: list[tuple[str, float]] = []
    synthesizer = Synthesizer(
        [FakeBackend()],
        workers=Workers({"codec": 2}),
        cache=SpeechCache(max_bytes=0),
        queue_depth=10,
        on_first_audio=lambda *first: told.append(first),
        clock=count().__next__,
    )
    async with synthesizer:
        await stream_all(synthesizer, replace(HELLO, text="One sentence here. " * 20))
    assert [name for name, _ in told] == ["fake"]
    assert told[0][1] == 1


async def test_what_ends_a_stream_is_told():
    told = []
    backend = FakeBackend()
    backend.failure = WorkerLost("it crashed")
    async with engine(backend, on_job=lambda *job: told.append(job)) as synthesizer:
        with pytest.raises(WorkerLost):
            await stream_all(synthesizer, HELLO)
    assert [(name, error) for name, _, error in told] == [("fake", backend.failure)]


MARKUP = '<speak>ab<break time="500ms"/><voice name="en-low">cd</voice></speak>'


@pytest.mark.parametrize(
    ("request_", "seconds", "pauses"),
    [
        (SpeechRequest(MARKUP, ssml=True, format=Format.PCM), 0.7, 0.0),
        (SpeechRequest("大家好！I am very happy today. 再见", format=Format.PCM), 0.05 * 28, 0.24),
    ],
)
async def test_a_stream_has_every_part_of_the_score(request_, seconds, pauses):
    heard: list[bytes] = []
    async with engine(Tone()) as synthesizer:
        whole = await synthesizer.speak(request_, client="a")
        await synthesizer.stream(request_, client="a", emit=heard.append, room=anyio.lowlevel.checkpoint)
    assert whole.duration == pytest.approx(seconds + pauses, abs=0.05)
    assert sum(map(len, heard)) / 2 / 22_050 == pytest.approx(seconds + pauses, abs=0.05)


async def test_the_voice_that_speaks_most_is_told():
    async with engine(Tone()) as synthesizer:
        speech = await synthesizer.speak(SpeechRequest("大家好！I am very happy today. 再见"), client="a")
    assert speech.voice.id == "en"


async def test_markup_and_the_same_text_are_two_speeches():
    async with engine(Tone()) as synthesizer:
        marked = SpeechRequest("<speak>ab</speak>", ssml=True)
        await synthesizer.speak(SpeechRequest("<speak>ab</speak>"), client="a")
        assert not (await synthesizer.speak(replace(marked, text=MARKUP), client="a")).cached
        assert (await synthesizer.speak(replace(marked, text=MARKUP), client="a")).cached
