import numpy as np
import pytest

from app.audio.level import MAX_GAIN, Level
from app.audio.loudness import SpeechMeter, loudness, to_amplitude, to_decibels, true_peak
from app.audio.pcm import Pcm, to_float32, to_int16

RATE = 22_050


def tone(peak_dbfs: float, *, seconds: float = 1.0) -> Pcm:
    return to_int16(np.sin(2 * np.pi * 700 * np.arange(round(seconds * RATE)) / RATE) * to_amplitude(peak_dbfs))


def brought(pcm: Pcm, level: Level, *, volume: float = 0.0) -> tuple[Pcm, float]:
    meter, samples = SpeechMeter(sample_rate=RATE), to_float32(pcm)
    meter.push(samples)
    lufs, peak = meter.loudness(), to_decibels(float(np.abs(samples).max()))
    assert lufs is not None
    return level.bring(pcm, meter, lufs=lufs, peak=peak, sample_rate=RATE, volume=volume)


def lufs_of(pcm: Pcm) -> float | None:
    return loudness(to_float32(pcm), sample_rate=RATE)


@pytest.mark.parametrize("peak_dbfs", [-30.0, -10.0, -1.0])
def test_a_sound_is_brought_to_the_level(peak_dbfs):
    made, drive = brought(tone(peak_dbfs), Level(-16.0, -1.0))
    assert lufs_of(made) == pytest.approx(-16, abs=0.3)
    assert drive == 0.0


def test_what_is_there_already_is_the_same_object():
    there = brought(tone(-10.0), Level(-16.0, -1.0))[0]
    assert brought(there, Level(-16.0, -1.0))[0] is there


def test_more_volume_than_there_is_room_for_gives_what_there_is():
    made, drive = brought(tone(-10.0), Level(-6.0, -1.0), volume=12.0)
    assert to_decibels(true_peak(to_float32(made))) <= -1.0
    assert lufs_of(made) > -6.0
    assert drive == 0.0


def test_what_is_too_faint_stays_faint():
    faint = tone(-60.0)
    assert lufs_of(brought(faint, Level(-16.0, -1.0))[0]) == pytest.approx(lufs_of(faint) + MAX_GAIN, abs=0.2)
