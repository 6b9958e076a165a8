"""The worker's program with a scripted engine; the real engine speaks in `test_espeak.py`."""

import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.backends import espeak_worker
from app.tts.backends.espeak_engine import Notice
from app.tts.backends.espeak_marker import LENGTH, PHONEME, RECORD, WORD, Marker
from app.tts.backends.espeak_worker import LARGEST_CHUNK_BYTES, NO_SUCH_VOICE, TOO_LONG, Job, Outlet, Speaker


class FakeChannel:
    def __init__(self, *requests: bytes) -> None:
        self._requests = requests
        self.answers: list[tuple[str, bytes]] = []

    def requests(self) -> tuple[bytes, ...]:
        return self._requests

    def ready(self, introduction: bytes) -> None:
        self.answers.append(("ready", introduction))

    def chunk(self, *parts: bytes) -> None:
        self.answers.append(("chunk", b"".join(parts)))

    def end(self) -> None:
        self.answers.append(("end", b""))

    def error(self, answer: bytes) -> None:
        self.answers.append(("error", answer))

    @property
    def sizes(self) -> list[int]:
        return [len(payload) for kind, payload in self.answers if kind == "chunk"]


class FakeEngine:
    """Speaks ten buffers of 100 bytes, with a word of one phoneme in every fourth, and notes what it was told."""

    def __init__(self, *paths: str) -> None:
        self.paths = paths
        self.voices_put_on: list[str] = []
        self.prosody: dict[str, int] = {}
        self.spoken: list[tuple[bytes, int]] = []

    def voices(self) -> list[tuple[str, str, list[tuple[int, str]], str]]:
        return [("sit/cmn", "Chinese", [(5, "cmn"), (5, "zh")], "male")]

    def variants(self) -> list[tuple[str, str, list[tuple[int, str]], str]]:
        return [("!v/f2", "female2", [(5, "variant")], "female")]

    def set_voice(self, name: str) -> bool:
        self.voices_put_on.append(name)
        return name != "xx"

    def set_prosody(self, **prosody: int) -> None:
        self.prosody = prosody

    def speak(
        self, text: bytes, hear: Callable[[bytes], bool], *, buffer_ms: int, notice: Notice | None = None
    ) -> None:
        self.spoken.append((text, buffer_ms))
        for number in range(10):
            if notice and number % 4 == 0:
                notice(WORD, 1 + number // 4, 1, 50 * number, b"\1")
                notice(PHONEME, 1 + number // 4, 0, 50 * number, b"a")
            if not hear(bytes([number]) * 100):
                return


def job(
    text: str = "你好", *, voice: str = "sit/cmn", variant: str = "", whole: bool = True, marks: bool = False
) -> Job:
    return Job(text, voice=voice, variant=variant, words_per_minute=260, whole=whole, marks=marks, max_samples=500)


def answer(*jobs: Job) -> tuple[FakeEngine, list[tuple[str, bytes]]]:
    engine, channel = FakeEngine(), FakeChannel()
    speaker = Speaker(engine)  # type: ignore[arg-type]
    for each in jobs:
        speaker.answer(each, channel)  # type: ignore[arg-type]
    return engine, channel.answers


@given(
    text=st.text(),
    voice=st.text(st.characters(codec="ascii"), max_size=50),
    words_per_minute=st.integers(0, 65535),
    levels=st.lists(st.integers(0, 255), min_size=3, max_size=3),
    whole=st.booleans(),
    marks=st.booleans(),
    max_samples=st.integers(0, 2**32 - 1),
)
def test_job_survives_the_pipe(
    text: str, voice: str, words_per_minute: int, levels: list[int], whole: bool, marks: bool, max_samples: int
) -> None:
    pitch, pitch_range, volume = levels
    sent = Job(
        text,
        voice=voice,
        variant="Mr serious",
        words_per_minute=words_per_minute,
        pitch=pitch,
        pitch_range=pitch_range,
        volume=volume,
        whole=whole,
        marks=marks,
        max_samples=max_samples,
    )
    received = Job.decode(sent.encode())
    assert all(getattr(received, name) == getattr(sent, name) for name in Job.__slots__)


def test_half_surrogates_do_not_break_a_job() -> None:
    assert Job.decode(job("a\ud800b").encode()).text == "a?b"


def test_whole_speech_is_one_chunk() -> None:
    engine, answers = answer(job(whole=True))
    assert answers == [("chunk", b"".join(bytes([number]) * 100 for number in range(10))), ("end", b"")]
    assert engine.spoken == [("你好".encode(), espeak_worker.WHOLE_BUFFER_MS)]


def test_marks_go_before_the_audio_of_their_chunk() -> None:
    _, [(_, chunk), _] = answer(job(whole=True, marks=True))
    length = 6 * RECORD.size
    assert chunk[:4] == LENGTH.pack(length)
    assert chunk[4 + length :] == b"".join(bytes([number]) * 100 for number in range(10))
    words = [record[1:3] for record in RECORD.iter_unpack(chunk[4 : 4 + length]) if record[0] == WORD]
    assert words == [(0, 200), (200, 400), (400, 500)]


def test_hurried_marks_come_when_their_words_have_ended() -> None:
    _, answers = answer(job(whole=False, marks=True))
    chunks = [payload for kind, payload in answers if kind == "chunk"]
    assert [LENGTH.unpack_from(chunk)[0] // RECORD.size for chunk in chunks] == [0, 0, 2, 4]
    assert sum(len(chunk) for chunk in chunks) == 1000 + 6 * RECORD.size + 4 * len(chunks)


def test_hurried_speech_begins_at_once_and_grows() -> None:
    channel = FakeChannel()
    outlet = Outlet(channel, hurry=True, max_bytes=10_000_000)  # type: ignore[arg-type]
    for _ in range(8000):
        outlet.hear(bytes(100))
    outlet.flush()
    assert channel.sizes[:4] == [100, 200, 400, 800]
    assert max(channel.sizes) < LARGEST_CHUNK_BYTES + 100
    assert sum(channel.sizes) == 800_000
    assert len(channel.sizes) <= 15


def test_long_speech_comes_in_few_large_chunks() -> None:
    channel = FakeChannel()
    outlet = Outlet(channel, hurry=False, max_bytes=10_000_000)  # type: ignore[arg-type]
    for _ in range(800):
        outlet.hear(bytes(1000))
    outlet.flush()
    assert channel.sizes == [246_000, 246_000, 246_000, 62_000]


@pytest.mark.parametrize("marker", [None, Marker()])
def test_nothing_is_sent_of_nothing(marker: Marker | None) -> None:
    channel = FakeChannel()
    Outlet(channel, hurry=True, max_bytes=100, marker=marker).finish()  # type: ignore[arg-type]
    assert channel.answers == []


def test_speech_beyond_the_bound_is_stopped_and_refused() -> None:
    engine, answers = answer(Job("text", voice="sit/cmn", words_per_minute=260, whole=True, max_samples=499))
    assert answers == [("error", TOO_LONG)]


@pytest.mark.parametrize("unknown", [job(voice="xx"), job(variant="f9"), job(voice="")])
def test_unknown_voice_is_refused_before_the_engine_hears_of_it(unknown: Job) -> None:
    engine, answers = answer(unknown)
    assert answers == [("error", NO_SUCH_VOICE)]
    assert engine.voices_put_on == engine.spoken == []


def test_voice_is_set_when_it_changes_or_was_cut_off() -> None:
    cut_off = Job("text", voice="sit/cmn", words_per_minute=260, whole=True, max_samples=1)
    engine, _ = answer(job(), job(), job(variant="f2"), job(variant="f2"), cut_off, job())
    assert engine.voices_put_on == ["sit/cmn", "sit/cmn+f2", "sit/cmn", "sit/cmn"]


def test_prosody_is_set_for_each_job() -> None:
    engine, _ = answer(
        Job("a", voice="sit/cmn", words_per_minute=99, pitch=1, pitch_range=2, volume=3, whole=True, max_samples=9)
    )
    assert engine.prosody == {"words_per_minute": 99, "pitch": 1, "pitch_range": 2, "volume": 3}


def test_program_warms_up_introduces_itself_and_serves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(espeak_worker, "Engine", FakeEngine)
    monkeypatch.setattr(sys, "argv", ["espeak_worker", "library", "data", "cmn", "xx"])
    channel = FakeChannel(job().encode(), job(voice="xx").encode())
    espeak_worker.program(channel)  # type: ignore[arg-type]
    introduction = "sit/cmn\tChinese\t5 cmn,5 zh\tmale\n!v/f2\tfemale2\t5 variant\tfemale"
    assert channel.answers[0] == ("ready", introduction.encode())
    assert [kind for kind, _ in channel.answers] == ["ready", "chunk", "end", "error"]
    assert capsys.readouterr().err == "no voice xx to warm up\n"


def test_import_stays_light() -> None:
    heavy = "{'numpy', 'asyncio', 'anyio', 'json', 'typing', 'dataclasses', 'enum', 're'}"
    code = f"import sys, app.tts.backends.espeak_worker; print({heavy} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "set()"
