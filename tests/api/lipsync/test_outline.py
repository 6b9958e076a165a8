import json
import threading
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.lipsync import outline as outline_module
from app.api.lipsync.messages import Undecodable
from app.api.lipsync.outline import LONG_CHARACTERS, MOST_QUOTES, OUTLINE_CHARACTERS, outline
from app.errors import InvalidInput
from app.lipsync.handover import Stopped

GO_ON = threading.Event()
LONG = "x" * (LONG_CHARACTERS + 1)

strings = st.text(max_size=20) | st.text(st.sampled_from('\\"/{x\n'), max_size=30)
values = st.recursive(st.none() | st.integers() | strings, lambda each: st.lists(each) | st.dictionaries(strings, each))


def restored(message):
    """Put all spans back where their names are."""
    found = outline(message, GO_ON)
    text = found.text
    for name, span in found.spans.items():
        quoted, inside = f'"{name}"', span.cut(0, len(span))
        text = (
            text.replace(quoted, f'"{inside}"')
            if isinstance(text, str)
            else text.replace(quoted.encode(), b'"%b"' % inside)
        )
    return found, text


@given(values, st.booleans())
def test_an_outline_is_the_message_without_its_long_strings(value, is_ascii):
    message = json.dumps(value, ensure_ascii=is_ascii)
    with patch.object(outline_module, "LONG_CHARACTERS", 8):
        for each in (message, message.encode()):
            found, text = restored(each)
            assert text == each
            assert all(len(span) >= 8 for span in found.spans.values())
            json.loads(found.text)


@given(st.text(st.sampled_from('\\"{}:, x'), max_size=100))
def test_what_is_no_json_comes_through_as_it_is_unless_a_string_does_not_end(message):
    try:
        assert restored(message)[1] == message
    except Undecodable:
        assert message.count('"') % 2 or "\\" in message


def test_files_are_left_where_they_are():
    message = json.dumps({"a": LONG, "b": "short", "c": LONG * 1000})
    found = outline(message, GO_ON)
    assert len(found.text) < 200
    assert [len(span) for span in found.spans.values()] == [len(LONG), 1000 * len(LONG)]
    read = json.loads(found.text)
    assert found.spans[read["c"]].cut(0, 3) == "xxx" and read["b"] == "short"


@pytest.mark.parametrize(
    "message",
    [
        "x" * (OUTLINE_CHARACTERS + 1),
        " " * 10_000_000,
        json.dumps(["x"] * MOST_QUOTES),
        json.dumps('"' * 1_000_000),
        json.dumps({"x" * 4000: "y" * 4000, "z": LONG})[:-1] + "," * OUTLINE_CHARACTERS,
    ],
    ids=["no JSON", "blanks", "many strings", "many quotes", "many commas"],
)
def test_too_much_beside_the_files_is_refused(message):
    for each in (message, message.encode()):
        with pytest.raises(InvalidInput, match="message has more than"):
            outline(each, GO_ON)


def test_long_runs_of_anything_take_no_time_by_the_character():
    text = '"' + "\\" * 4_000_000 + '"'
    assert restored(text)[1] == text
    with pytest.raises(Undecodable, match="a string does not end"):
        outline('"' + "x" * 4_000_000 + '\\"', GO_ON)


def test_nobody_waits_for_what_is_not_wanted_any_more():
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        outline(LONG, stop)
