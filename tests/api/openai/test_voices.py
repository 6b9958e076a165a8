from collections import Counter
from typing import Literal, get_args, get_origin

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.audio.speech_create_params import Voice as Voices

from app.api.openai.voices import ALIASES, NAMES, cast, describe_aliases, stand_in
from app.tts.backends.espeak import Espeak
from app.tts.genders import is_male
from app.tts.speech import Gender, Voice

GENDERS = st.lists(st.sampled_from(Gender), min_size=1, max_size=40)


def voice(id: str, gender: Gender = Gender.FEMALE, language: str = "en-US") -> Voice:
    return Voice(id, id, language, gender, "fake")


def voices(genders: list[Gender]) -> list[Voice]:
    return [voice(f"v{n}", gender) for n, gender in enumerate(genders)]


@given(GENDERS)
def test_every_alias_has_a_voice_and_the_same_one_every_time(genders):
    roles = cast(voices(genders))
    assert set(roles) == NAMES
    assert roles == cast(voices(genders))


@given(GENDERS)
def test_the_gender_is_the_alias_s_where_there_is_such_a_voice(genders):
    roles = cast(voices(genders))
    for alias in ALIASES:
        if alias.gender in genders:
            assert roles[alias.name].gender in (alias.gender, Gender.NEUTRAL)


@given(GENDERS)
def test_no_voice_speaks_for_two_while_another_of_the_gender_is_silent(genders):
    roles = cast(voices(genders))
    for gender in (Gender.FEMALE, Gender.MALE):
        speaking = Counter(roles[alias.name].id for alias in ALIASES if alias.gender is gender)
        if max(speaking.values()) > 1:
            assert {one.id for one in voices(genders) if one.gender is gender} <= {one.id for one in roles.values()}


@given(st.permutations([Gender.FEMALE] * 6 + [Gender.MALE] * 7))
def test_where_there_are_enough_all_are_distinct(genders):
    assert len({one.id for one in cast(voices(genders)).values()}) == len(ALIASES)


def test_a_voice_of_the_same_name_is_taken():
    roles = cast([voice("af_heart"), voice("af_nova"), voice("am_adam", Gender.MALE), voice("am_onyx", Gender.MALE)])
    assert (roles["nova"].id, roles["onyx"].id, roles["alloy"].id) == ("af_nova", "am_onyx", "af_heart")


def test_only_voices_of_the_natural_one_s_language_stand_in():
    listed = [voice("zh", language="zh-CN"), voice("en"), voice("en-low", Gender.MALE)]
    assert stand_in("onyx", listed[1], listed) == "en-low"
    assert stand_in("onyx", listed[0], listed) == "zh"


def test_a_voice_that_is_not_listed_stands_in_for_itself():
    assert stand_in("onyx", voice("secret", language="tlh"), [voice("en")]) == "secret"


def test_genders_are_those_of_the_engine_and_names_are_openais():
    assert all((alias.gender is Gender.MALE) is is_male(alias.name) for alias in ALIASES if alias.name != "cedar")
    literals = next(kind for kind in get_args(Voices) if get_origin(kind) is Literal)
    assert set(get_args(literals)) == NAMES
    assert [one["id"] for one in describe_aliases()] == [alias.name for alias in ALIASES]


@pytest.mark.parametrize("language", ["zh-CN", "en-US", "ja", "de"])
def test_the_embedded_backend_has_them_all_and_all_distinct(language):
    backend = Espeak(workers=1)

    async def stand_ins() -> dict[str, Voice]:
        async with backend.running():
            natural = backend.choose_voice(language)
            ids = {name: stand_in(name, natural, backend.voices()) for name in NAMES}
            return {name: backend.find_voice(id) for name, id in ids.items()}

    roles = anyio.run(stand_ins)
    assert len({one.id for one in roles.values()}) == len(ALIASES)
    assert {one.language for one in roles.values()} == {roles["alloy"].language}
    assert {alias.name: alias.gender for alias in ALIASES} == {name: one.gender for name, one in roles.items()}
