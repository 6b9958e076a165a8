"""The doors' READMEs tell every message, error code and route that the doors have."""

import re
from pathlib import Path

import pytest

from app.api.danmu import messages
from app.main import create_app
from app.settings import Settings

ROOT = Path(__file__).parents[1]
ACCOUNTS = (ROOT / "app" / "api" / "accounts" / "README.md").read_text()
DANMU = (ROOT / "app" / "api" / "danmu" / "README.md").read_text()
SPEAK = (ROOT / "app" / "api" / "speak" / "README.md").read_text()
LIPSYNC = (ROOT / "app" / "api" / "lipsync" / "README.md").read_text()
OPENAI = (ROOT / "app" / "api" / "openai" / "README.md").read_text()
STREAM = (ROOT / "app" / "api" / "stream" / "README.md").read_text()
TELEPHONY = (ROOT / "app" / "api" / "telephony" / "README.md").read_text()
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("type", messages.TYPES)
def test_every_message_is_told(type):
    assert f"`{type}`" in DANMU


@pytest.mark.parametrize("code", sorted({code for _, code in messages.CODES} | {"CANCELLED", "INTERNAL_ERROR"}))
def test_every_error_code_is_told(code):
    assert f"| `{code}` |" in DANMU


@pytest.fixture(scope="module")
def routes(tmp_path_factory) -> set[str]:
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("data"))
    return set(create_app(settings).openapi()["paths"])


def test_every_route_is_told(routes):
    told = set(
        re.findall(
            r"`(?:GET|POST|PUT|PATCH|DELETE) (/[^`]*)`",
            ACCOUNTS + DANMU + LIPSYNC + OPENAI + SPEAK + STREAM + TELEPHONY + README,
        )
    )
    assert routes <= told


def test_no_route_is_told_that_is_not_there(routes):
    told = set(
        re.findall(
            r"`(?:GET|POST|PUT|PATCH|DELETE) (/[^`]*)`",
            ACCOUNTS + DANMU + LIPSYNC + OPENAI + SPEAK + TELEPHONY + README,
        )
    )
    assert told - {"/", "/docs"} <= routes
