import numpy as np
import pytest

from app.fingerprint.fingerprinter import fingerprint
from app.fingerprint.listener import listen
from app.fingerprint.peaks import BIN_PARTS, Peaks
from app.fingerprint.placement import Placement
from app.fingerprint.readings import BELOWS, COLUMNS, FRAME_PARTS, NEW, OFFS, READINGS, ROWS, classes, read
from app.fingerprint.spectrum import FRAMES_PER_SECOND, SAMPLE_RATE
from tests.fingerprint.music import tone, tune

TRACK = fingerprint(tune(1), sample_rate=SAMPLE_RATE).peaks
AT = 7.0
HERE = Placement(AT * FRAMES_PER_SECOND)


def heard(sound, *, seconds=3.0):
    return listen(sound[round(AT * SAMPLE_RATE) : round((AT + seconds) * SAMPLE_RATE)]).heard


def test_what_is_the_same_is_read_as_that():
    below, off, louder, _, _, late, _ = np.median(read(heard(tune(1)), TRACK, HERE), axis=0)
    assert (below, off, louder) == (0, pytest.approx(0, abs=2), pytest.approx(0, abs=1))
    assert late == pytest.approx(0, abs=FRAME_PARTS / 2)


def test_what_is_played_louder_is_read_as_louder():
    readings = read(heard(4 * tune(1)), TRACK, HERE)
    assert np.median(readings[:, 2]) == pytest.approx(24, abs=1)


def test_only_peaks_that_are_heard_are_read():
    readings = read(heard(tune(1), seconds=1.0), TRACK, HERE)
    assert 0 < len(readings) < len(read(heard(tune(1)), TRACK, HERE)) < len(TRACK)
    assert len(read(heard(tune(1)), TRACK, Placement(1e6))) == 0


def test_silence_is_not_read():
    assert len(read(heard(np.zeros(20 * SAMPLE_RATE, np.float32)), TRACK, HERE)) == 0


@pytest.mark.parametrize(("gap", "since"), [(5, 5), (20, 20), (NEW, NEW), (100, NEW)])
@pytest.mark.parametrize("step", [-BIN_PARTS, 0, BIN_PARTS])
def test_a_note_that_comes_again_is_known_by_when_it_was_there(gap, since, step):
    assert since_when([(0, 0), (gap, step)]) == [NEW, since]


def test_another_note_is_a_new_one():
    assert since_when([(0, 0), (5, 3 * BIN_PARTS)]) == [NEW, NEW]


def test_what_was_before_the_query_counts():
    assert since_when([(-10, 0), (0, 0)]) == [10]


def test_classes_are_rows_and_columns_of_weights():
    found = classes(read(heard(tune(1)), TRACK, HERE))
    assert found.shape[1] == 2 and found.min() >= 0
    assert found[:, 0].max() < ROWS and found[:, 1].max() < COLUMNS


def test_a_class_is_made_of_all_that_was_read():
    same = reading(below=0, off=0, louder=6, since=NEW)
    rows = np.array([same, reading(below=30, off=0, louder=6, since=NEW), reading(0, 70, 6, NEW), reading(0, 0, 6, 5)])
    row, column = classes(np.concatenate([np.repeat([same], 50, axis=0), rows]))[50:].T
    assert row.tolist() == [row[0], row[0] + (BELOWS - 1) * OFFS, row[0] + OFFS - 1, 0]
    assert row[0] == ROWS - BELOWS * OFFS and len(set(column.tolist())) == 1


def reading(below: int, off: int, louder: int, since: int) -> np.ndarray:
    made = np.zeros(READINGS, np.int16)
    made[[0, 1, 2, 6]] = below, off, louder, since
    return made


def since_when(notes: list[tuple[int, int]]) -> list[int]:
    """Return since when a track of these peaks, at frames from the query's tenth on, has had them."""
    chord = listen(sum(tone(hz, 5) for hz in (430.0, 440.0, 450.0))).heard
    frames = np.array([300 + frame for frame, _ in notes], np.uint32)
    parts = np.array([80 * BIN_PARTS + step for _, step in notes], np.uint16)
    readings = read(chord, Peaks(frames, parts, np.full(len(notes), 100, np.uint8)), Placement(299.0))
    return readings[:, 6].tolist()
