import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from app.errors import Overloaded
from app.lipsync.batches import Batches, Pixels, distinct
from app.lipsync.windows import Windows


@dataclass(frozen=True)
class Numbers:
    """Faces that are numbers: one for all frames, or one for each."""

    values: tuple[int, ...]

    def part(self, start: int, stop: int) -> "Numbers":
        return self if len(self.values) == 1 else Numbers(self.values[start:stop])


class Device:
    """Draws a window's first value plus the face's number; has memory for some frames."""

    def __init__(self, memory: int = 1000) -> None:
        self.memory = memory
        self.batches: list[list[int]] = []
        self.recovered: list[int] = []
        self.is_free = threading.Event()
        self.is_free.set()
        self.has_begun = threading.Event()

    def run(self, parts: Sequence[tuple[Windows, Numbers]]) -> list[Pixels]:
        counts = [len(windows) for windows, _ in parts]
        if sum(counts) > self.memory:
            raise MemoryError
        self.batches.append(counts)
        self.has_begun.set()
        assert self.is_free.wait(10)
        return [drawn(windows, faces) for windows, faces in parts]

    def batching(self, largest: int, **options: int) -> Batches[Numbers]:
        return Batches(self.run, largest=largest, recover=self.recovered.append, **options)


def drawn(windows: Windows, faces: Numbers) -> Pixels:
    return (windows[:, 0, 0] + np.array(faces.values)).astype(np.uint8).reshape(-1, 1, 1, 1)


def windows(count: int, first: int = 0) -> Windows:
    made = np.zeros((count, 80, 16), np.float32)
    made[:, 0, 0] = np.arange(first, first + count)
    return made


def test_a_job_alone_is_drawn_at_once() -> None:
    device = Device()
    assert device.batching(32).draw(windows(5), Numbers((100,))).ravel().tolist() == [100, 101, 102, 103, 104]
    assert device.batches == [[5]]


def test_more_frames_than_a_batch_has_are_drawn_in_several() -> None:
    device = Device()
    faces = Numbers(tuple(range(0, 100, 10)))
    assert device.batching(4).draw(windows(10), faces).ravel().tolist() == [11 * number for number in range(10)]
    assert device.batches == [[4], [4], [2]]


def test_a_lack_of_memory_halves_the_batch_for_good() -> None:
    device = Device(memory=10)
    batches = device.batching(32)
    assert batches.draw(windows(20), Numbers((1,))).ravel().tolist() == list(range(1, 21))
    assert device.batches == [[8], [8], [4]] and device.recovered == [16, 8]
    batches.draw(windows(20), Numbers((1,)))
    assert batches.largest == 8 and device.recovered == [16, 8]


def test_no_memory_at_all_is_told() -> None:
    device = Device(memory=0)
    with pytest.raises(Overloaded, match="single frame"):
        device.batching(4).draw(windows(3), Numbers((1,)))


def test_other_errors_reach_who_asked() -> None:
    def run(parts: object) -> list[Pixels]:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        Batches(run, largest=4).draw(windows(1), Numbers((1,)))


def started(batches: Batches[Numbers], jobs: Sequence[tuple[Windows, Numbers]], results: dict[int, object]) -> None:
    def draw(number: int, job: tuple[Windows, Numbers]) -> None:
        try:
            results[number] = batches.draw(*job).ravel().tolist()
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=draw, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)


def test_jobs_that_wait_share_the_next_batch() -> None:
    device = Device()
    batches = device.batching(32, jobs_per_batch=8)
    first: dict[int, object] = {}
    device.is_free.clear()
    leader = threading.Thread(target=started, args=(batches, [(windows(2), Numbers((0,)))], first))
    leader.start()
    assert device.has_begun.wait(10)
    others: dict[int, object] = {}
    jobs = [(windows(3, 10 * number), Numbers((number,))) for number in range(1, 5)]
    followers = threading.Thread(target=started, args=(batches, jobs, others))
    followers.start()
    while len(batches._waiting) < 4:
        threading.Event().wait(0.001)
    device.is_free.set()
    leader.join(10)
    followers.join(10)
    assert device.batches == [[2], [3, 3, 3, 3]]
    assert first == {0: [0, 1]}
    assert others == {number - 1: [11 * number + i for i in range(3)] for number in range(1, 5)}


def test_a_shared_batch_that_does_not_fit_is_drawn_all_the_same() -> None:
    device = Device(memory=4)
    batches = device.batching(16, jobs_per_batch=8)
    results: dict[int, object] = {}
    started(batches, [(windows(4), Numbers((number,))) for number in range(6)], results)
    assert results == {number: [number + i for i in range(4)] for number in range(6)}


def test_an_error_reaches_everybody_in_the_batch() -> None:
    def run(parts: object) -> list[Pixels]:
        raise ValueError("broken")

    results: dict[int, object] = {}
    started(Batches(run, largest=16, jobs_per_batch=8), [(windows(1), Numbers((0,)))] * 5, results)
    assert len(results) == 5 and all(isinstance(result, ValueError) for result in results.values())


def test_a_window_that_is_there_twice_is_drawn_once() -> None:
    silence = np.full((1, 80, 16), -4, np.float32)
    speech = np.random.default_rng(0).normal(size=(3, 80, 16)).astype(np.float32)
    given = np.concatenate((silence, speech[:2], silence, silence, speech))
    once, index = distinct(given)
    assert len(once) == 4 and np.array_equal(once[index], given)
