import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Overloaded
from app.takes.backlog import Backlog


def filled(takes: str) -> Backlog:
    """Return a backlog of takes, each named by its account and a number."""
    backlog = Backlog(per_account=0, total=0)
    for number, owner in enumerate(takes):
        backlog.add(owner, f"{owner}{number}")
    return backlog


def emptied(backlog: Backlog) -> list[str]:
    return [found[1] for found in iter(backlog.pop, None)]


def test_accounts_take_turns_and_keep_their_own_order():
    assert emptied(filled("aaabbc")) == ["a0", "b3", "c5", "a1", "b4", "a2"]


def test_who_comes_later_waits_for_one_take_of_each_account():
    backlog = filled("aaaa")
    assert backlog.pop() == ("a", "a0")
    backlog.add("b", "b0")
    assert [backlog.pop() for _ in range(3)] == [("a", "a1"), ("b", "b0"), ("a", "a2")]


def test_a_take_may_leave():
    backlog = filled("aab")
    assert backlog.discard("a", "a0") and not backlog.discard("a", "a0") and not backlog.discard("b", "a1")
    assert (len(backlog), emptied(backlog)) == (2, ["a1", "b2"])


def add(backlog: Backlog, owner: str, *take_ids: str) -> None:
    with backlog.room(owner, len(take_ids)):
        for take_id in take_ids:
            backlog.add(owner, take_id)


def test_an_account_has_no_more_than_it_may_and_all_together_neither():
    backlog = Backlog(per_account=2, total=3)
    with pytest.raises(Overloaded, match="2 may"):
        add(backlog, "a", "a0", "a1", "a2")
    add(backlog, "a", "a0", "a1")
    with pytest.raises(Overloaded, match="3 may"):
        add(backlog, "b", "b0", "b1")
    add(backlog, "b", "b0")
    assert len(backlog) == 3


def test_room_that_is_held_is_nobody_elses_until_it_is_given_back():
    backlog = Backlog(per_account=2, total=0)
    with backlog.room("a", 2):
        with pytest.raises(Overloaded):
            add(backlog, "a", "a0")
        add(backlog, "b", "b0")
    add(backlog, "a", "a0", "a1")


@given(st.text("abc"), st.sets(st.integers(0, 30)))
def test_law_whatever_leaves_the_rest_comes_out_once(takes, leaving):
    backlog = filled(takes)
    gone = {f"{takes[number]}{number}" for number in leaving if number < len(takes)}
    for take_id in gone:
        assert backlog.discard(take_id[0], take_id)
    assert len(backlog) == len(takes) - len(gone)
    left = emptied(backlog)
    assert sorted(left) == sorted({f"{owner}{number}" for number, owner in enumerate(takes)} - gone)
    assert len(backlog) == 0
