import json

import pytest

from app import errors
from app.api.accounts.failure import failure


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Taken("x"), 400),
        (errors.InvalidInput("x"), 422),
        (errors.InvalidCredential("x"), 401),
        (errors.MissingCredential("x"), 401),
        (errors.Denied("x"), 403),
        (errors.NotFound("x"), 404),
        (errors.RateLimited("x", retry_after=1.2), 429),
        (errors.Overloaded("x", retry_after=5.0), 503),
        (errors.Unavailable("x"), 503),
        (errors.ChorusError("x"), 500),
    ],
)
def test_every_error_has_its_status_and_its_text(error, status):
    answer = failure(error)
    assert (answer.status_code, json.loads(answer.body)) == (status, {"detail": "x"})
    assert ("www-authenticate" in answer.headers) == (status == 401)
    waits = {"RateLimited": "2", "Overloaded": "5"}
    assert answer.headers.get("retry-after") == waits.get(type(error).__name__)
