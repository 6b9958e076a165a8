"""What call platforms report, and where to, built out of settings."""

from app.calls.callbacks import Callbacks
from app.calls.ncco import event_url
from app.calls.signature import Signature
from app.calls.sql import SqlCallbacks
from app.runtime.database import Database
from app.settings import Settings


def build_event_url(settings: Settings) -> str:
    """Return where a call platform reports to.

    Raises:
        InvalidInput: HOST_NAME is no address.
    """
    return event_url(settings.host_name)


def build_callbacks(settings: Settings, database: Database) -> Callbacks:
    """Return what keeps reports."""
    return Callbacks(SqlCallbacks(database), keep=settings.callbacks_kept)


def build_signature(settings: Settings) -> Signature | None:
    """Return what judges who sent a report, None if everything is kept."""
    secret = settings.vonage_signature_secret.strip()
    return Signature(secret) if secret else None
