"""Taking in many files: listened to side by side, kept a handful at a time.

What has been kept is not listened to again, whoever asks: so a run that was broken off goes on where it ended. A file
that cannot be taken in costs nobody but itself.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from app.errors import DeadlineExceeded, InvalidInput, NotFound, Unavailable
from app.fingerprint.intake import Heard, Intake
from app.fingerprint.sources import Flaw, Source
from app.fingerprint.store import Kept, Outcome, Store
from app.fingerprint.track import Track

BATCH: Final = 32
"""Tracks that are kept in one transaction, if so many wait for it; and that may wait."""


@dataclass(slots=True)
class Report:
    """How far it has come."""

    total: int = 0
    """Of files, and of entries that are none."""
    done: int = 0
    added: list[int] = field(default_factory=list)
    """Ids of tracks that are new."""
    known: int = 0
    """Files whose content was there."""
    relabelled: int = 0
    """Of those, how many have other labels now."""
    renewed: list[int] = field(default_factory=list)
    """Ids of tracks that have a fingerprint of a newer version."""
    seconds: float = 0.0
    """Of sound that was listened to and kept."""
    flaws: list[Flaw] = field(default_factory=list)
    """What could not be taken in."""
    damaged: list[Flaw] = field(default_factory=list)
    """What was taken in as far as it could be read."""
    elapsed: float = 0.0
    """Seconds that it took."""


class Ingest:
    """One run.

    Args:
        intake: looks at files.
        store: keeps tracks.
        report: is filled as it goes, so that one that is broken off can be told of.
        on_step: told of the report after each file.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        intake: Intake,
        store: Store,
        *,
        report: Report | None = None,
        on_step: Callable[[Report], None] = lambda report: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.report = report or Report()
        self._clock = clock
        self._intake = intake
        self._store = store
        self._on_step = on_step

    async def run(self, sources: Sequence[Source | Flaw]) -> Report:
        """Take all in. Cancelled, it leaves every track whole, kept or not; what was kept stays.

        Raises:
            Unavailable: the store does not answer, or no process can be started.
        """
        self.report.total, started = len(sources), self._clock()
        send, receive = anyio.create_memory_object_stream[tuple[Source, Heard]](BATCH)
        todo, failure = iter(sources), None
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._keep, receive)
                async with send, anyio.create_task_group() as readers:
                    for _ in range(self._intake.at_once):
                        readers.start_soon(self._look, todo, send)
        except* Unavailable as errors:
            failure = first_of(errors)
        if failure is not None:
            raise failure
        self.report.elapsed = self._clock() - started
        return self.report

    async def _look(self, todo: Iterator[Source | Flaw], heard: MemoryObjectSendStream[tuple[Source, Heard]]) -> None:
        for source in todo:
            if isinstance(source, Flaw):
                self._fail(source)
                continue
            try:
                found = await self._intake.look(source)
                if isinstance(found, Track):
                    await self._relabel(found, source)
                else:
                    await heard.send((source, found))
            except (NotFound, InvalidInput, DeadlineExceeded) as error:  # the last one is of this file alone
                self._fail(Flaw(str(source.path), str(error)))

    async def _relabel(self, track: Track, source: Source) -> None:
        """Let a track that is there have what was said of it now."""
        if source.labels.over(track.labels) != track.labels:
            await self._store.relabel(track.id, source.labels.over)
            self.report.relabelled += 1
        self.report.known += 1
        self._step()

    async def _keep(self, heard: MemoryObjectReceiveStream[tuple[Source, Heard]]) -> None:
        async with heard:
            async for first in heard:
                batch = [first]
                while len(batch) < BATCH and heard.statistics().current_buffer_used:
                    batch.append(heard.receive_nowait())
                outcomes = await self._store.add([found.track for _, found in batch])
                for (source, found), kept in zip(batch, outcomes, strict=True):
                    self._note(source, found, kept)

    def _note(self, source: Source, heard: Heard, kept: Kept) -> None:
        where = str(source.path)
        match kept.outcome:
            case Outcome.TAKEN:
                self._fail(Flaw(where, f"video_id '{kept.track.video_id}' is another track's: '{kept.track.title}'"))
                return
            case Outcome.KNOWN:
                self.report.known += 1
            case Outcome.RENEWED:
                self.report.renewed.append(kept.track.id)
            case Outcome.ADDED:
                self.report.added.append(kept.track.id)
        self.report.seconds += heard.track.duration
        if heard.damage:
            self.report.damaged.append(Flaw(where, heard.damage))
        self._step()

    def _fail(self, flaw: Flaw) -> None:
        self.report.flaws.append(flaw)
        self._step()

    def _step(self) -> None:
        self.report.done += 1
        self._on_step(self.report)


def first_of(errors: BaseExceptionGroup[Unavailable]) -> Unavailable:
    """Return the first of what went wrong, out of the groups that tasks make of it."""
    first = errors.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
