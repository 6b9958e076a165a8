"""Bounds of this door."""

from dataclasses import dataclass, field

from app.runtime.session import SessionLimits


@dataclass(frozen=True, slots=True)
class LipsyncLimits:
    """Bounds of what one client may send."""

    max_audio_bytes: int = 50 * 2**20
    max_image_bytes: int = 10 * 2**20
    max_video_bytes: int = 50 * 2**20
    max_unread: int = 16
    """Requests of megabytes that may wait to be read, all clients together."""
    session: SessionLimits = field(default_factory=lambda: SessionLimits(idle_timeout=0.0))
