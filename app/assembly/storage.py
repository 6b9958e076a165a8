"""Where everything durable is kept, out of settings."""

from app.settings import Settings


def database_url(settings: Settings) -> str:
    """Return the URL of the one durable store."""
    return settings.database_url or f"sqlite:///{settings.data_dir / 'chorus.db'}"
