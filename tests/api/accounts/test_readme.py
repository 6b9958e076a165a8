"""The door's README tells every route, field, status and number that the door has."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.accounts.accounts import Terms
from app.accounts.keys import MAX_KEYS, MAX_LIFETIME_DAYS
from app.accounts.logins import MAX_SESSIONS
from app.accounts.session import GRACE_SECONDS
from app.accounts.standings import REMEMBER_SECONDS
from app.accounts.throttle import (
    ACCOUNT_FACTOR,
    ADDRESS_FACTOR,
    FORGET_SECONDS,
    MAX_ACCOUNT_WAIT_SECONDS,
    MAX_WAIT_SECONDS,
)
from app.api.accounts import messages
from app.api.accounts.failure import STATUSES
from app.api.accounts.rest import rest
from app.api.accounts.routes import OPEN_PATHS
from tests.accounts.engine import Engine

README = (Path(__file__).parents[3] / "app" / "api" / "accounts" / "README.md").read_text()
FREE = Terms().login_attempts
MODELS = (
    messages.EmailLoginBody,
    messages.NameLoginBody,
    messages.RefreshBody,
    messages.RegisterBody,
    messages.ProfileBody,
    messages.KeyBody,
    messages.BearerTokens,
    messages.User,
    messages.NewKey,
)


def routes() -> set[tuple[str, str]]:
    app = FastAPI()
    app.include_router(rest(Engine().accounts))
    return {(method.upper(), path) for path, kinds in app.openapi()["paths"].items() for method in kinds}


def test_the_routes_are_those_that_are_told():
    assert set(re.findall(r"^\| `([A-Z]+) (/[^`]*)`", README, re.MULTILINE)) == routes()


def test_the_open_paths_are_routes():
    assert set(OPEN_PATHS) <= {path for _, path in routes()}


@pytest.mark.parametrize("field", sorted({field for model in MODELS for field in model.model_fields}))
def test_every_field_is_told(field):
    assert f"`{field}`" in README


@pytest.mark.parametrize("status", sorted({int(status) for _, status in STATUSES}))
def test_every_status_is_told(status):
    assert f"| {status} |" in README


@pytest.mark.parametrize(
    "told",
    [
        f"Within {GRACE_SECONDS:.0f} seconds",
        f"within {REMEMBER_SECONDS:.0f} seconds",
        f"| a {MAX_SESSIONS + 1}st login |",
        f"(1 to {MAX_LIFETIME_DAYS}, null for never)",
        f"has {MAX_KEYS} keys",
        f"({FREE}) of the pair, {FREE * ACCOUNT_FACTOR} of the account or {FREE * ADDRESS_FACTOR} of the address",
        f"up to {MAX_WAIT_SECONDS:.0f} seconds ({MAX_ACCOUNT_WAIT_SECONDS:.0f} for",
    ],
)
def test_the_numbers_are_those_of_the_code(told):
    assert told in " ".join(README.split())


def test_a_quarter_of_an_hour_is_one():
    assert FORGET_SECONDS == 15 * 60
    assert "a quarter of an hour" in README
