"""What is shown of a track when it is heard: said by whoever adds it, or read from the file's own tags."""

import re
from dataclasses import dataclass, fields
from typing import Final

from app.errors import InvalidInput

MAX_VIDEO_ID_CHARACTERS: Final = 255
MAX_TITLE_CHARACTERS: Final = 1000
MAX_URL_CHARACTERS: Final = 2000

_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Controls and half surrogates: a database or a page stumbles over them."""
_URL: Final = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)
"""Pages make links of them, so `javascript:` and the like must not get in."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Texts about a track; None is what nobody said.

    Raises:
        InvalidInput: a text breaks its rule; `field` is the name that it has here.
    """

    video_id: str | None = None
    """What the user calls the track, at most 255 characters; no two tracks have the same."""
    title: str | None = None
    """At most 1000 characters."""
    url: str | None = None
    """Of a page about it, http or https, at most 2000 characters."""
    thumbnail_url: str | None = None
    """Of a picture, as `url`."""

    def __post_init__(self) -> None:
        _check("video_id", self.video_id, MAX_VIDEO_ID_CHARACTERS)
        _check("title", self.title, MAX_TITLE_CHARACTERS)
        for name, value in (("url", self.url), ("thumbnail_url", self.thumbnail_url)):
            _check(name, value, MAX_URL_CHARACTERS)
            if value is not None and not _URL.fullmatch(value):
                raise InvalidInput(f"{name} '{value[:80]}' must begin with http:// or https://", field=name)

    def over(self, others: "Labels") -> "Labels":
        """Return these, and the others where nothing was said."""
        return Labels(*(_first(getattr(self, one.name), getattr(others, one.name)) for one in fields(self)))


def tidy(text: str, *, most: int = MAX_TITLE_CHARACTERS) -> str | None:
    """Return a text that was written for something else as a label: on one line, cut; None if nothing is left."""
    return " ".join(_FORBIDDEN.sub(" ", text).split())[:most].rstrip() or None


def _check(name: str, value: str | None, most: int) -> None:
    if value is None:
        return
    if not value.strip() or len(value) > most:
        raise InvalidInput(f"{name} of {len(value)} characters must have 1 to {most}, not all blank", field=name)
    if _FORBIDDEN.search(value):
        raise InvalidInput(f"{name} must not hold control characters", field=name)


def _first(said: str | None, otherwise: str | None) -> str | None:
    return otherwise if said is None else said
