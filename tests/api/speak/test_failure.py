import json

import pytest

from app.api.speak.failure import NoAudio, failure
from app.errors import (
    BackendUnavailable,
    BodyTooLarge,
    ChorusError,
    DeadlineExceeded,
    Denied,
    Draining,
    ForbiddenAddress,
    InvalidCredential,
    InvalidInput,
    MissingCredential,
    NotFound,
    NothingToSpeak,
    Overloaded,
    QueueFull,
    TextTooLong,
    Unavailable,
    VoiceNotFound,
    WorkerLost,
)

ERRORS = [
    (BodyTooLarge("large", limit=1), 413),
    (InvalidInput("no"), 422),
    (TextTooLong("long", length=2, limit=1), 422),
    (NothingToSpeak(), 422),
    (ForbiddenAddress("no"), 422),
    (NotFound("no"), 404),
    (VoiceNotFound("ann"), 404),
    (NoAudio("it broke"), 409),
    (InvalidCredential("no"), 401),
    (MissingCredential("no"), 401),
    (Denied("no"), 403),
    (QueueFull("full"), 429),
    (BackendUnavailable("piper", reason="no voice"), 503),
    (Draining("restarting"), 503),
    (DeadlineExceeded("late"), 503),
    (WorkerLost("gone"), 500),
]


def body(error: ChorusError) -> object:
    return json.loads(failure(error).body)


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=lambda value: type(value).__name__)
def test_every_error_has_a_status_and_its_words(error, status):
    assert failure(error).status_code == status
    assert body(error)["detail"] == str(error)


def test_the_field_is_told_where_there_is_one():
    assert body(InvalidInput("text: too long", field="text")) == {"detail": "text: too long", "field": "text"}


def test_when_to_try_again_is_told_where_it_is_known():
    assert failure(Overloaded("full", retry_after=1.2)).headers["retry-after"] == "2"
    assert "retry-after" not in failure(Overloaded("full")).headers


def test_who_is_not_known_is_told_how_to_be():
    assert failure(MissingCredential("who?")).headers["www-authenticate"] == "Bearer"
    assert "www-authenticate" not in failure(Unavailable("no")).headers
