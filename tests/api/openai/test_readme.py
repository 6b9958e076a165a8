"""The door's README tells every route, voice, code and field that the door has."""

import re
from pathlib import Path

import pytest

from app.api.openai.failure import ANSWERS, BODY_CODES
from app.api.openai.messages import FORMATS, MODELS, SpeechBody
from app.api.openai.rest import PATHS, rest
from app.api.openai.voices import ALIASES

README = (Path(__file__).parents[3] / "app" / "api" / "openai" / "README.md").read_text()
CODES = sorted({code for *_, code in ANSWERS} | set(BODY_CODES.values()) | {"invalid_body", "invalid_type"})


@pytest.mark.parametrize("alias", ALIASES, ids=lambda alias: alias.name)
def test_every_voice_is_told_with_its_variant(alias):
    variant = alias.variant or "none: the plain voice"
    assert f"| `{alias.name}` | {alias.gender.value} | {variant} |" in README


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_told(code):
    assert f"`{code}`" in README


@pytest.mark.parametrize("name", [*MODELS, *FORMATS, *SpeechBody.model_fields])
def test_every_model_format_and_field_is_told(name):
    assert f"`{name}`" in README


def test_the_routes_are_those_that_are_told():
    told = set(re.findall(r"`(?:GET|POST) (/[^`]*)`", README))
    assert told == {route.path.replace(":path", "") for route in rest(None).routes}


def test_every_route_is_below_the_paths_of_the_door():
    assert all(route.path.startswith(PATHS) for route in rest(None).routes)
