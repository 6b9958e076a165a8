"""The studio and its webhooks, built out of settings."""

import os
from collections.abc import Callable

from app.api.speak.answers import encode_item
from app.errors import InvalidInput
from app.runtime.database import Database
from app.runtime.http import HttpClient
from app.runtime.secret import load_secret
from app.runtime.workers import Workers
from app.settings import Settings
from app.takes.recordings import Recordings
from app.takes.signature import parse_secret
from app.takes.sql import SqlDeliveries, SqlStore
from app.takes.studio import Studio, StudioLimits
from app.takes.take import Status
from app.takes.webhooks import Webhooks
from app.tts.synthesizer import Synthesizer

MAX_TAKES_AT_ONCE = 4
WEBHOOK_SECONDS = 10.0


def build_caller(settings: Settings) -> HttpClient:
    """Return what calls the URLs that strangers chose.

    Raises:
        InvalidInput: WEBHOOK_NETWORKS cannot be read.
    """
    networks = settings.webhook_networks
    try:
        return HttpClient(ports=settings.webhook_ports, allowed_networks=networks, deadline=WEBHOOK_SECONDS)
    except ValueError as error:
        raise InvalidInput(f"WEBHOOK_NETWORKS: {error}", field="WEBHOOK_NETWORKS") from error


def _webhook_secret(settings: Settings) -> bytes:
    if settings.webhook_secret:
        return parse_secret(settings.webhook_secret)
    return load_secret(settings.data_dir / "webhook.secret")


def build_webhooks(settings: Settings, database: Database, caller: HttpClient) -> Webhooks:
    """Return what calls the webhooks that are owed.

    Raises:
        InvalidInput: WEBHOOK_SECRET is none.
    """
    return Webhooks(
        SqlDeliveries(database),
        caller,
        secret=_webhook_secret(settings),
        attempts=settings.webhook_attempts,
        deadline=WEBHOOK_SECONDS,
    )


def build_studio(
    settings: Settings,
    synthesizer: Synthesizer,
    database: Database,
    workers: Workers,
    *,
    on_owed: Callable[[], None],
    on_done: Callable[[Status], None],
) -> Studio:
    """Return the studio; `on_owed` is called when a webhook is owed, `on_done` with how each take ended."""
    return Studio(
        synthesizer,
        SqlStore(database),
        Recordings(
            settings.data_dir / "takes",
            workers=workers,
            max_bytes=settings.takes_disk_bytes,
            max_age=settings.takes_disk_seconds,
        ),
        limits=StudioLimits(
            text_characters=settings.takes_max_characters,
            batch=settings.takes_max_batch,
            waiting_per_account=settings.takes_max_waiting,
            at_once=settings.takes_at_once or min(os.cpu_count() or 1, MAX_TAKES_AT_ONCE),
        ),
        maker=load_secret(settings.data_dir / "server.id").hex(),
        render=encode_item,
        on_owed=on_owed,
        on_done=on_done,
    )
