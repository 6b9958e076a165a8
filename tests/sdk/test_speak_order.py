import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sdk.errors import BrokenReply
from app.sdk.speak_order import Order, Place

Arrival = tuple[int, int | None, bytes]

sizes = st.lists(st.integers(1, 5), max_size=6)
"""Of each part, its chunks."""


def parts(count: int) -> list[Arrival]:
    return [*((part, None, bytes([part + 1])) for part in range(count)), (count, None, b"")]


def chunks(counts: list[int]) -> list[Arrival]:
    sent: list[Arrival] = []
    for part, count in enumerate(counts):
        sent += [(part, chunk, bytes([part + 1, chunk])) for chunk in range(count)] + [(part, count, b"")]
    return [*sent, (len(counts), 0, b"")]


def given_on(order: Order, arrivals: list[Arrival]) -> list[tuple[Place, bytes]]:
    return [ready for arrival in arrivals for ready in order.put(*arrival)]


def in_order(sent: list[Arrival]) -> list[tuple[Place, bytes]]:
    return [((part, chunk), audio) for part, chunk, audio in sent if audio]


@given(count=st.integers(0, 8), data=st.data())
def test_parts_come_in_order_whatever_order_they_arrive_in(count: int, data: st.DataObject) -> None:
    order = Order(max_bytes=1000)
    arrivals = data.draw(st.permutations(parts(count)))

    assert given_on(order, arrivals) == in_order(parts(count))
    assert order.is_complete


@given(counts=sizes, data=st.data())
def test_chunks_come_in_order_whatever_order_they_arrive_in(counts: list[int], data: st.DataObject) -> None:
    order = Order(max_bytes=1000)
    arrivals = data.draw(st.permutations(chunks(counts)))

    assert given_on(order, arrivals) == in_order(chunks(counts))
    assert order.is_complete


@given(counts=sizes, data=st.data())
def test_what_comes_twice_is_given_on_once(counts: list[int], data: st.DataObject) -> None:
    order = Order(max_bytes=1000)
    arrivals = data.draw(st.permutations(chunks(counts) * 2))

    assert given_on(order, arrivals) == in_order(chunks(counts))


@given(counts=sizes, lost=st.data())
def test_it_is_not_complete_while_anything_is_missing(counts: list[int], lost: st.DataObject) -> None:
    sent = chunks(counts)
    sent.pop(lost.draw(st.integers(0, len(sent) - 1)))
    order = Order(max_bytes=1000)

    given_on(order, sent)

    assert not order.is_complete


def test_what_comes_in_order_is_given_on_at_once() -> None:
    order = Order(max_bytes=0)

    assert [len(list(order.put(*arrival))) for arrival in chunks([2, 1])] == [1, 1, 0, 1, 0, 0]


def test_a_gap_that_is_never_filled_does_not_eat_the_memory() -> None:
    order = Order(max_bytes=10)
    list(order.put(2, None, bytes(10)))

    with pytest.raises(BrokenReply, match="part 0, chunk 0 is missing, 20 bytes wait"):
        order.put(1, None, bytes(10))
