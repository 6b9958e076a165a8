import json

import pytest

from app import errors
from app.api.openai.failure import ModelNotFound, failure


def answer(error):
    reply = failure(error)
    return reply.status_code, json.loads(reply.body)["error"], reply.headers.get("retry-after")


@pytest.mark.parametrize(
    ("error", "status", "type", "param", "code"),
    [
        (
            errors.TextTooLong("too long", length=9, limit=5, unit="seconds"),
            400,
            "invalid_request_error",
            "input",
            "string_above_max_length",
        ),
        (errors.BodyTooLarge("large", limit=5), 413, "invalid_request_error", None, "body_too_large"),
        (errors.NothingToSpeak(), 400, "invalid_request_error", "input", "nothing_to_speak"),
        (
            errors.InvalidInput("no such format", field="format"),
            400,
            "invalid_request_error",
            "response_format",
            "invalid_value",
        ),
        (errors.InvalidInput("bad", field="sample_rate"), 400, "invalid_request_error", None, "invalid_value"),
        (errors.InvalidInput("bad"), 400, "invalid_request_error", None, "invalid_value"),
        (errors.VoiceNotFound("nobody"), 404, "invalid_request_error", "voice", "voice_not_found"),
        (ModelNotFound("gpt-9"), 404, "invalid_request_error", "model", "model_not_found"),
        (errors.InvalidCredential("wrong"), 401, "invalid_request_error", None, "invalid_api_key"),
        (errors.MissingCredential("none"), 401, "invalid_request_error", None, "invalid_api_key"),
        (errors.Denied("no"), 403, "invalid_request_error", None, "permission_denied"),
        (errors.QueueFull("full"), 429, "rate_limit_error", None, "rate_limit_exceeded"),
        (errors.BackendUnavailable("edge", reason="gone"), 503, "server_error", "model", "model_unavailable"),
        (errors.DeadlineExceeded("slow"), 503, "server_error", None, "service_unavailable"),
        (errors.WorkerLost("crashed"), 500, "server_error", None, "speech_failed"),
    ],
)
def test_every_error_has_openais_shape(error, status, type, param, code):
    assert answer(error) == (
        status,
        {"message": str(error), "type": type, "param": param, "code": code},
        None,
    )


def test_who_is_turned_away_is_told_when_to_come_back():
    assert answer(errors.QueueFull("full", retry_after=1.2))[2] == "2"
