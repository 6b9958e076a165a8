"""The whole server as the vendor's client meets it: with an account, and allowed to call webhooks here."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daisys import DaisysAPI

from app.runtime.auth import Authority
from tests.e2e.served import Served, served
from tests.e2e.webhook_receiver import Receiver

EMAIL, PASSWORD = "ann@example.org", "correct horse battery"
SECRET = "a secret of the tests, thirty-two characters or more"


@contextmanager
def daisys_server(data: Path, receiver: Receiver | None = None, *, port: int = 0) -> Iterator[Served]:
    """Start it; `receiver` may be told by webhooks."""
    hooks = {"WEBHOOK_PORTS": str(receiver.port), "WEBHOOK_NETWORKS": "127.0.0.0/8"} if receiver else {}
    settings = {"ADMIN_EMAIL": EMAIL, "ADMIN_PASSWORD": PASSWORD, "AUTH_SECRET": SECRET, **hooks}
    with served(data, port=port, **settings) as server:
        yield server


def api(server: Served) -> DaisysAPI:
    """Return the client, as its documentation makes it."""
    return DaisysAPI("speak", email=EMAIL, password=PASSWORD, daisys_url=server.url, auth_url=server.url)


def expired_token() -> str:
    """Return an access token whose time is over."""
    return Authority(SECRET.encode(), clock=lambda: time.time() - 3600).issue("somebody", expires_in=60)
