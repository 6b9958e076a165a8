import math

import pytest

from app.tts.acquaintance import Impression
from app.tts.leveler import Leveler
from tests.tts.buzz import RATE, clicks, measure, speech, voice

pytestmark = pytest.mark.anyio


def streamed(leveler: Leveler, pcm: bytes, *, volume: float = 0.0, lookahead: float = 0.0) -> bytes:
    """As espeak-ng streams: 60 ms, then ever longer chunks."""
    stream, out, size = leveler.stream(voice(), RATE, volume=volume, lookahead=lookahead), b"", 2_646
    while pcm:
        out += stream.push(pcm[:size])
        pcm, size = pcm[size:], 2 * size
    return out + stream.finish()


async def test_a_stream_of_a_known_voice_is_as_loud_as_a_whole():
    leveler, pcm = Leveler(), speech(4, peak_dbfs=-20)
    await leveler.level(pcm, voice=voice(), sample_rate=RATE)
    lufs, peak = measure(streamed(leveler, pcm))
    assert lufs == pytest.approx(-16, abs=1)
    assert peak <= -1


async def test_a_stream_of_an_unknown_voice_becomes_right_by_itself():
    pcm = speech(4, peak_dbfs=-16)
    out = streamed(Leveler(), pcm)
    assert len(out) == len(pcm)
    assert measure(out[len(out) // 2 & ~1 :])[0] == pytest.approx(-16, abs=1.5)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.9])
async def test_a_stream_that_looks_ahead_to_its_end_is_levelled_as_a_whole(seconds):
    pcm = speech(seconds, peak_dbfs=-20)
    assert streamed(Leveler(), pcm, lookahead=4) == await Leveler().level(pcm, voice=voice(), sample_rate=RATE)


async def test_a_stream_that_looks_ahead_is_right_from_its_beginning():
    pcm = speech(6, peak_dbfs=-25)
    out = streamed(Leveler(), pcm, lookahead=2)
    assert len(out) == len(pcm)
    assert measure(out[: 2 * RATE])[0] == pytest.approx(-16, abs=1)


async def test_a_stream_that_looks_ahead_goes_out_as_soon_as_it_has_heard_enough():
    stream, half = Leveler().stream(voice(), RATE, lookahead=1.0), speech(0.5)
    assert stream.push(half) == b""
    assert len(stream.push(half)) > len(half)


async def test_streams_teach_the_leveler():
    leveler, pcm = Leveler(), speech(4, peak_dbfs=-25)
    streamed(leveler, pcm)
    assert leveler.known.expect(voice()).lufs == pytest.approx(measure(pcm)[0], abs=0.5)


@pytest.mark.parametrize("lookahead", [0.0, 0.5, 4.0])
@pytest.mark.parametrize("pcm", [b"", bytes(2), bytes(60_000)])
async def test_silence_stays_silence(pcm, lookahead):
    leveler = Leveler()
    assert streamed(leveler, pcm, lookahead=lookahead) == pcm
    assert leveler.known.voice(voice()) is None


@pytest.mark.parametrize("lookahead", [0.0, 4.0])
async def test_a_volume_of_nothing_is_silence_as_long(lookahead):
    pcm = speech()
    assert streamed(Leveler(), pcm, volume=-math.inf, lookahead=lookahead) == bytes(len(pcm))


@pytest.mark.parametrize("lookahead", [0.0, 0.5])
@pytest.mark.parametrize("known_lufs", [-26.0, -20.0, -14.0])
async def test_a_stream_makes_amends_for_what_was_expected_wrongly(known_lufs, lookahead):
    leveler, pcm = Leveler(), speech(2.0, peak_dbfs=-12)
    leveler.known.learn(voice(), Impression(known_lufs, 10.0))
    lufs, peak = measure(streamed(leveler, pcm, lookahead=lookahead))
    assert lufs == pytest.approx(-16, abs=1.5)
    assert peak <= -1


async def test_a_stream_of_pulses_is_as_loud_as_any():
    pcm = clicks(4.0)
    out = streamed(Leveler(), pcm)
    assert len(out) == len(pcm)
    lufs, peak = measure(out)
    assert lufs == pytest.approx(-16, abs=1.5)
    assert peak <= -1


async def test_who_asked_for_another_volume_teaches_nothing():
    leveler = Leveler()
    streamed(leveler, speech(), volume=-6.0)
    assert leveler.known.voice(voice()) is None
