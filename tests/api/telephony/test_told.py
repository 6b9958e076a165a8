"""The README of the door tells every option of its routes, and the bounds as they are."""

import re
from pathlib import Path

import pytest

from app.api.telephony import ncco_queries
from app.api.telephony.callbacks import CallbackAnswer, CallbacksQuery
from app.calls.callback import MAX_FIELDS, MAX_KEPT_BYTES, Kind
from app.calls.callback_line import MAX_CHARACTERS
from app.calls.callbacks import GROUP, MAX_PAGE_LENGTH, MAX_WAITING
from app.calls.ncco import MAX_TEXT
from app.calls.signature import MAX_SKEW_SECONDS
from app.errors import InvalidEndpoint

README = (Path(ncco_queries.__file__).parent / "README.md").read_text()
QUERIES = {
    "talk": ncco_queries.TalkQuery,
    "connect": ncco_queries.ConnectQuery,
    "record": ncco_queries.RecordQuery,
    "stream": ncco_queries.StreamQuery,
    "input": ncco_queries.InputQuery,
    "conversation": ncco_queries.ConversationQuery,
    "notify": ncco_queries.NotifyQuery,
}


@pytest.mark.parametrize("route", QUERIES)
def test_every_option_of_an_action_is_told(route):
    [row] = re.findall(rf"^\| `GET /ncco/{route}` \| (.*) \|$", README, re.MULTILINE)
    names = {field.alias for field in QUERIES[route].model_fields.values()} - {"conversation_uuid"}

    assert names == {name for name in names if re.search(rf"`{name}[`=]", row)}


def test_what_is_asked_and_answered_of_callbacks_is_told():
    for name in (*CallbacksQuery.model_fields, *CallbackAnswer.model_fields, *Kind):
        assert re.search(rf"[`\"]{name}[`\"]", README), name


def test_the_bounds_are_told():
    for told in (
        f"1 to {MAX_TEXT} characters", f"the first {MAX_FIELDS} count", f"first {MAX_KEPT_BYTES // 1024} KiB",
        f"cut to {MAX_CHARACTERS} characters", f"at most {GROUP} in one", f"beyond {MAX_WAITING} that wait",
        f"at most {MAX_PAGE_LENGTH}", f"within {MAX_SKEW_SECONDS:.0f} s", f"at most {ncco_queries.MAX_DEPTH} deep",
        str(InvalidEndpoint()),
    ):  # fmt: skip
        assert told in README, told
