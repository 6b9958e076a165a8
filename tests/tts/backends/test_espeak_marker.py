from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.backends.espeak_marker import END_OF_TEXT, LENGTH, PHONEME, RECORD, WORD, Marker

CLAUSE = 5

Event = tuple[int, int, int, int, bytes]
Record = tuple[int, int, int, int, int, bytes]


def records(*events: Event, samples: int = 100) -> list[Record]:
    marker = Marker()
    for event in events:
        marker.notice(*event)
    marker.finish(samples)
    return list(RECORD.iter_unpack(marker.take()))


def word(start: int, end: int, place: int, next_place: int, length: int) -> Record:
    return WORD, start, end, place, next_place, LENGTH.pack(length) + bytes(4)


def phoneme(start: int, end: int, name: str) -> Record:
    return PHONEME, start, end, 0, 0, name.encode().ljust(8, b"\0")


def test_word_goes_from_its_first_phoneme_to_its_last_and_stands_before_them() -> None:
    assert records(
        (WORD, 1, 2, 0, b"\1"), (PHONEME, 1, 0, 10, b"h"), (PHONEME, 1, 0, 20, b"i"), (PHONEME, 1, 0, 30, b"")
    ) == [word(10, 30, 0, END_OF_TEXT, 2), phoneme(10, 20, "h"), phoneme(20, 30, "i")]


def test_word_ends_before_the_next() -> None:
    first, _, second, _ = records(
        (WORD, 1, 1, 0, b"\1"), (PHONEME, 1, 0, 0, b"a"), (WORD, 3, 1, 40, b"\2"), (PHONEME, 3, 0, 50, b"o")
    )
    assert first == word(0, 40, 0, 2, 1)
    assert second == word(50, 100, 2, END_OF_TEXT, 1)


def test_number_that_is_read_as_words_is_one() -> None:
    events = [((WORD, 1 + (read > 0), 4, 10 * read, b"\1"), (PHONEME, 1, 0, 10 * read, b"a")) for read in range(3)]
    found = records(*chain.from_iterable(events))
    assert found[0] == word(0, 100, 0, END_OF_TEXT, 4)
    assert [kind for kind, *_ in found] == [WORD, PHONEME, PHONEME, PHONEME]


@pytest.mark.parametrize("silent", [(PHONEME, 1, 0, 10, b""), (PHONEME, 1, 0, 10, b"(en)"), (CLAUSE, 1, 0, 10, b"")])
def test_what_is_not_heard_is_not_marked(silent: Event) -> None:
    assert records((WORD, 1, 1, 0, b"\1"), silent) == []


def test_sound_before_any_word_is_kept() -> None:
    assert records((PHONEME, 1, 0, 10, b"a")) == [phoneme(10, 100, "a")]


def test_records_are_taken_once() -> None:
    marker = Marker()
    marker.notice(PHONEME, 1, 0, 10, b"a")
    assert marker.take() == b""
    marker.finish(20)
    assert len(marker.take()) == RECORD.size
    assert marker.take() == b""


EVENTS = st.tuples(
    st.sampled_from([WORD, PHONEME, CLAUSE]),
    st.integers(1, 50),
    st.integers(0, 10),
    st.integers(0, 1000),
    st.sampled_from([b"", b"a", b"(en)"]),
)


@given(st.lists(EVENTS), st.integers(0, 1000))
def test_times_are_in_order_whatever_comes(events: list[Event], samples: int) -> None:
    found = records(*events, samples=samples)
    for kind in (WORD, PHONEME):
        times = [time for record in found if record[0] == kind for time in record[1:3]]
        assert times == sorted(times)
    starts = [record[1] for record in found]
    assert starts == sorted(starts)
    places = [record[3] for record in found if record[0] == WORD]
    assert places == sorted(places)
