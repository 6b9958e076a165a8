"""The door's README tells every route, command, field, format and status that the door has."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.api.speak import answers, schemas
from app.api.speak.audio import AudioFormat
from app.api.speak.failure import STATUSES
from app.api.speak.framing import Mode
from app.api.speak.limits import MAX_WAITING, SpeakLimits
from app.api.speak.listing import ListQuery
from app.api.speak.messages import COMMANDS
from app.api.speak.rest import OPEN_PATHS, rest
from app.runtime.auth import Authority
from app.takes.prosody import ProsodyKind
from app.takes.take import Status
from app.takes.voice import VoiceGender
from tests.api.speak.fake_studio import FakeStudio

README = (Path(__file__).parents[3] / "app" / "api" / "speak" / "README.md").read_text()
SCHEMAS = (
    schemas.TakeGenerate,
    schemas.VoiceGenerate,
    schemas.VoiceUpdate,
    schemas.Webhook,
    schemas.SimpleProsody,
    schemas.AffectProsody,
    schemas.SignalProsody,
    ListQuery,
)
ANSWERS = (
    answers.TakeResponse,
    answers.TakeInfo,
    answers.VoiceInfo,
    answers.TTSModel,
    answers.ToldWebhook,
    answers.SocketUrl,
    answers.Version,
)
FIELDS = sorted({name for schema in (*SCHEMAS, *ANSWERS) for name in schema.model_fields})


def routes() -> set[str]:
    app = FastAPI()
    app.include_router(rest(FakeStudio(), Authority(b"0" * 32), SpeakLimits()))
    return set(app.openapi()["paths"])


@pytest.mark.parametrize("name", [*COMMANDS, *Mode, *AudioFormat, *Status, *ProsodyKind, *VoiceGender, *FIELDS])
def test_every_command_mode_format_status_and_field_is_told(name):
    assert f"`{name}`" in README or f'"{name}"' in README


@pytest.mark.parametrize("status", sorted({status.value for _, status in STATUSES}))
def test_every_status_of_an_error_is_told(status):
    assert f"| {status} |" in README


@pytest.mark.parametrize("path", OPEN_PATHS)
def test_every_open_path_is_told(path):
    assert f"`{path}`" in README or f"`GET {path}`" in README


def test_the_routes_are_those_that_are_told():
    told = set(re.findall(r"`(?:GET|POST|DELETE) (/[^`]*)`", README))
    assert told == routes()


def test_the_bounds_are_those_that_are_told():
    limits = SpeakLimits()
    assert (limits.socket_seconds, limits.audio_seconds, limits.wait_seconds) == (3600, 600, 240)
    assert f"{MAX_WAITING} requests of one connection" in README
