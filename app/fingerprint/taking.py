"""Taking one file into an open catalogue, as an upload does."""

from dataclasses import dataclass

from app.errors import Taken
from app.fingerprint.catalogue import Catalogue
from app.fingerprint.intake import Intake
from app.fingerprint.sources import Source
from app.fingerprint.store import Outcome
from app.fingerprint.track import Track


@dataclass(frozen=True, slots=True)
class Taking:
    """What became of a file."""

    track: Track
    outcome: Outcome
    damage: str | None = None
    """What in the file could not be read."""


async def take(catalogue: Catalogue, intake: Intake, source: Source, *, name: str | None = None) -> Taking:
    """Take a file in; a track that has its content gets what is newly said of it.

    Args:
        catalogue: is open.
        intake: looks at the file.
        source: the file, and what was said of it.
        name: what the file is called, if not as it is on disk.

    Raises:
        Taken: another track has the video id.
        InvalidAudio: as `Intake.look`, which raises the others too.
        Unavailable: the store does not answer.
    """
    found = await intake.look(source, name=name)
    if isinstance(found, Track):
        if source.labels.over(found.labels) != found.labels:
            found = await catalogue.relabel(found.id, source.labels.over)
        return Taking(found, Outcome.KNOWN)
    [kept] = await catalogue.add([found.track])
    if kept.outcome is Outcome.TAKEN:
        raise Taken(f"video_id '{kept.track.video_id}' is another track's", field="video_id")
    return Taking(kept.track, kept.outcome, found.damage)
