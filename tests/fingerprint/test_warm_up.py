import subprocess
import sys
import threading

import numpy as np
import pytest

from app.fingerprint import warm_up as room
from app.fingerprint.fingerprinter import fingerprint
from app.fingerprint.identifier import look
from app.fingerprint.index import Index
from app.fingerprint.recognizer import Recognizer
from app.fingerprint.spectrum import SAMPLE_RATE
from app.fingerprint.warm_up import completeness, kernels, warm_up
from tests.fingerprint.music import noise, tune


@pytest.fixture(scope="module")
def warm():
    warm_up()


def known_types():
    """Which types of arguments each kernel is compiled for."""
    return {one.python.__qualname__: list(one.compiled().signatures) for one in kernels()}


def test_what_streams_and_recordings_need_is_there_afterwards(warm, tmp_path):
    before = known_types()
    index = Index(tmp_path)
    for number in range(3):
        index.add(number, fingerprint(tune(number), sample_rate=SAMPLE_RATE))
        if number == 1:
            index.merge()
    recognizer = Recognizer(index, sample_rate=SAMPLE_RATE)
    events = recognizer.push(np.concatenate((tune(1)[: 6 * SAMPLE_RATE], noise(3.0), tune(2)[: 6 * SAMPLE_RATE])))
    assert events
    assert [cue.track_id for cue in look(index.view(), tune(2)[: 9 * SAMPLE_RATE])] == [2]
    assert look(index.view(), tune(77)[: 9 * SAMPLE_RATE]) == []
    assert known_types() == before


def test_all_kernels_were_compiled(warm):
    assert len(kernels()) >= 30
    assert completeness().is_noted


def test_it_stops_at_the_next_step(monkeypatch):
    steps = []
    monkeypatch.setattr(room, "_steps", lambda index: [lambda: steps.append(1), lambda: steps.append(2)])
    stop = threading.Event()
    stop.set()
    warm_up(stop)
    assert steps == [1]


def test_its_program_ends_well(warm):
    subprocess.run([sys.executable, "-m", "app.fingerprint.warm_up"], check=True)
