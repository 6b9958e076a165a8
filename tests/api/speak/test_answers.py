import json
from dataclasses import replace

import pytest
from daisys.v1.speak import models as theirs

from app.api.speak import answers
from app.takes.prosody import AffectProsody, SignalProsody, SimpleProsody
from app.takes.take import Status, Wording
from app.takes.voice import VoiceRequest
from tests.api.speak.examples import MODEL, TAKE, VOICE, golden

BARE_TAKE = replace(
    TAKE,
    request=replace(TAKE.request, wording=Wording("hello"), user_data=None),
    status=Status.WAITING,
    recorded=None,
)
BARE_VOICE = replace(
    VOICE,
    request=VoiceRequest("a", "espeak", VOICE.request.gender),
    status=Status.WAITING,
    example_take_id=None,
)
TAKES = [
    TAKE,
    BARE_TAKE,
    replace(BARE_TAKE, status=Status.ERROR, error="the voice broke"),
    *(
        replace(TAKE, request=replace(TAKE.request, wording=replace(TAKE.request.wording, prosody=prosody)))
        for prosody in (SimpleProsody(1, 2, 3), AffectProsody(1, 2, 3, 4, 5), SignalProsody(1, 2, 3, 4))
    ),
]


def told(content) -> object:
    return json.loads(answers.encode(content))


def test_a_take_is_told_as_in_the_example():
    assert told(answers.describe_take(TAKE)) == golden("take_status")["data"]


def test_a_voice_is_told_as_in_the_example():
    assert told(answers.describe_voice(VOICE)) == golden("voice_status")["data"]


def test_a_model_is_told_as_in_the_example():
    assert told(answers.describe_model(MODEL)) == golden("model")


@pytest.mark.parametrize("take", TAKES)
def test_the_vendors_client_reads_every_take(take):
    content = told(answers.describe_take(take))
    assert theirs.TakeResponse(**content).model_dump(mode="json").items() <= content.items()


@pytest.mark.parametrize("voice", [VOICE, BARE_VOICE])
def test_the_vendors_client_reads_every_voice(voice):
    content = told(answers.describe_voice(voice))
    assert theirs.VoiceInfo(**content).model_dump(mode="json", exclude={"example_take"}).items() <= content.items()


def test_the_vendors_client_reads_a_model():
    content = told(answers.describe_model(MODEL))
    assert theirs.TTSModel(**content).model_dump(mode="json") == content


@pytest.mark.parametrize("take", TAKES)
def test_what_is_told_of_a_take_is_what_is_documented(take):
    content = told(answers.describe_take(take))
    assert answers.TakeResponse(**content).model_dump(mode="json", exclude_unset=True) == content


@pytest.mark.parametrize("voice", [VOICE, BARE_VOICE])
def test_what_is_told_of_a_voice_is_what_is_documented(voice):
    content = told(answers.describe_voice(voice))
    assert answers.VoiceInfo(**content).model_dump(mode="json", exclude_unset=True) == content


def test_what_is_told_of_a_model_is_what_is_documented():
    content = told(answers.describe_model(MODEL))
    assert answers.TTSModel(**content).model_dump(mode="json") == content


def test_clients_tell_a_voice_from_a_take_by_one_field():
    assert "example_take_id" in told(answers.describe(BARE_VOICE))
    assert "example_take_id" not in told(answers.describe(TAKE))


def test_why_a_take_failed_is_told_where_it_failed():
    assert told(answers.describe(TAKES[2]))["error"] == "the voice broke"
    assert "error" not in told(answers.describe(TAKE))


@pytest.mark.parametrize("user_data", [None, "x", "7", 7, 7.0, 7.25, 0, "", 2**63 - 1, -(2**63) + 1])
def test_the_clients_own_value_comes_back_as_the_same_kind(user_data):
    take = replace(TAKE, request=replace(TAKE.request, user_data=user_data))
    found = told(answers.describe(take))["user_data"]
    assert (found, type(found)) == (user_data, type(user_data))


def test_webhooks_are_told_the_same():
    assert json.loads(answers.encode_item(TAKE)) == golden("take_status")["data"]
