import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.speak.listing import ListQuery, checked, split_ids
from app.errors import InvalidInput, NotFound
from app.takes.store import Page

IDS = st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=1, max_size=30)


@given(st.lists(IDS, max_size=30, unique=True), st.integers(1, 5))
def test_ids_are_found_however_they_are_split(ids, size):
    written = [",".join(ids[start : start + size]) for start in range(0, len(ids), size)]
    assert split_ids(written, field="take_id") == tuple(ids)


def test_without_ids_all_are_wanted():
    assert split_ids(None, field="take_id") is None
    assert ListQuery().wanted(None, field="take_id") == Page(length=1000)


@given(st.text())
def test_what_can_be_no_id_is_left_out(text):
    found = split_ids([text], field="take_id")
    assert all(part.isascii() and part.isalnum() for part in found)
    assert set(found) <= set(text.split(","))


def test_more_ids_than_a_page_has_are_refused():
    with pytest.raises(InvalidInput, match="take_id has 1001 ids, 1000 may"):
        split_ids([",".join(f"t{number}" for number in range(1001))], field="take_id")


def test_an_id_of_a_path_is_one_or_is_not_there():
    assert checked("t01jwq2c6hpt6b1v8a9w4dkz7sf", kind="take") == "t01jwq2c6hpt6b1v8a9w4dkz7sf"
    for id in ("", "T1", "t\0", "t1\n", "t" * 65, "t-1"):
        with pytest.raises(NotFound, match="does not exist"):
            checked(id, kind="take")
