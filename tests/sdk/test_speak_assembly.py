from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sdk.errors import BrokenReply
from app.sdk.speak import ChunkReceived, Ended, GenerationFailed, PartReceived, Status, StatusChanged, Take
from app.sdk.speak_assembly import Assembly, Outcome
from app.sdk.speak_frames import Frame
from app.sdk.speak_take import read_take
from tests.sdk.fake_speak import RATE, take, wav


def part(n: int, pcm: bytes | None) -> Frame:
    return Frame("1", "t1", n, None, b"" if pcm is None else wav(pcm))


def chunk(n: int, m: int, audio: bytes) -> Frame:
    return Frame("1", "t1", n, m, audio)


ANSWER = [
    take("waiting"),
    take("started"),
    part(0, b"\1\0"),
    take("progress_50"),
    part(1, b"\2\0"),
    part(2, None),
    take("ready"),
]


def told(*arrivals: dict[str, Any] | Frame) -> list[Outcome[Take]]:
    assembly = Assembly(read_take, max_early_bytes=1000)
    outcomes: list[Outcome[Take]] = []
    for arrival in arrivals:
        outcomes += assembly.heard(arrival) if isinstance(arrival, Frame) else assembly.told(arrival)
    return outcomes


def statuses(outcomes: Iterable[Outcome[Take]]) -> list[Status]:
    return [outcome.status for outcome in outcomes if isinstance(outcome, StatusChanged)]


def test_an_answer_is_told_as_it_comes() -> None:
    outcomes = told(*ANSWER)

    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [StatusChanged] * 2 + [PartReceived, StatusChanged, PartReceived, StatusChanged, Ended]
    first = outcomes[2]
    assert isinstance(first, PartReceived)
    assert (first.take_id, first.part_id, first.pcm, first.header.sample_rate) == ("t1", 0, b"\1\0", RATE)


@given(st.permutations(ANSWER))
def test_in_whatever_order_it_arrives_parts_are_in_order_and_the_end_is_last(answer: list[Any]) -> None:
    outcomes = told(*answer)

    parts = [outcome.pcm for outcome in outcomes if isinstance(outcome, PartReceived)]
    assert parts == [b"\1\0", b"\2\0"]
    assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Ended)] == [len(outcomes) - 1]
    ranks = [status.rank for status in statuses(outcomes)]
    assert ranks == sorted(set(ranks)) and ranks[-1] == Status.READY.rank


def test_chunks_know_the_header_of_their_part() -> None:
    file = wav(b"\1\0\2\0\3\0")
    *_, first, second, ended = told(
        take("ready"), chunk(0, 1, file[46:]), chunk(0, 0, file[:46]), chunk(0, 2, b""), chunk(1, 0, b"")
    )

    assert isinstance(first, ChunkReceived) and isinstance(second, ChunkReceived) and isinstance(ended, Ended)
    assert (first.pcm, second.pcm) == (b"\1\0", b"\2\0\3\0")
    assert first.audio + second.audio == file
    assert second.header is first.header and first.header.data_bytes == 6


@pytest.mark.parametrize("status", ["error", "timeout"])
def test_a_failure_ends_it_without_an_end_of_audio(status: str) -> None:
    *_, changed, failure = told(take("started"), part(0, b"\1\0"), take(status, error="No voice."))

    assert isinstance(changed, StatusChanged) and changed.status == status
    assert isinstance(failure, GenerationFailed) and failure.message == "No voice."
    assert isinstance(failure.item, Take)


def test_a_take_without_audio_ends_too() -> None:
    assert isinstance(told(take("ready"), part(0, None))[-1], Ended)
    assert isinstance(told(take("ready"), chunk(0, 0, b""))[-1], Ended)


@pytest.mark.parametrize("arrival", [{"status": "ready"}, Frame("1", "t1", 0, None, b"no wav"), chunk(0, 0, b"RIFF")])
def test_what_cannot_be_read_is_a_broken_reply(arrival: Any) -> None:
    with pytest.raises(BrokenReply):
        told(arrival)
