import pytest

from app.errors import InvalidInput
from app.takes.store import MAX_PAGE_LENGTH, Page


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"length": 0}, "length"),
        ({"length": MAX_PAGE_LENGTH + 1}, "length"),
        ({"number": 0}, "page"),
        ({"ids": ("t",) * (MAX_PAGE_LENGTH + 1)}, "ids"),
    ],
)
def test_a_page_has_bounds(values, field):
    with pytest.raises(InvalidInput) as caught:
        Page(**values)
    assert caught.value.field == field


def test_a_page_begins_behind_those_before_it():
    assert [Page(length=30, number=number).offset for number in (1, 2, 3)] == [0, 30, 60]
