"""The composition root: builds everything that lives as long as the server, and opens and closes it in order."""

import os
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any

import anyio
from anyio.abc import TaskGroup

from app.accounts.administrator import Administrator, appoint
from app.accounts.passwords import PASSWORD_POOL
from app.assembly.accounts import build_accounts
from app.assembly.callbacks import build_callbacks, build_event_url, build_signature
from app.assembly.calls import build_audio_files, build_processors
from app.assembly.catalogue import (
    build_catalogue,
    build_identifier,
    build_intake,
    build_preparation,
    build_readers,
    build_store,
)
from app.assembly.lipsync import build_atelier, portraits_at_once
from app.assembly.portrait_figures import PortraitFigures
from app.assembly.speech import build_synthesizer
from app.assembly.speech_figures import SpeechFigures
from app.assembly.storage import database_url
from app.assembly.streams import build_hearings
from app.assembly.takes import build_caller, build_studio, build_webhooks
from app.calls.shared_reads import SharedReads
from app.calls.sounds import Sounds
from app.errors import Unavailable
from app.fingerprint.follower import INDEX_POOL
from app.fingerprint.hearings import RECOGNITION_POOL
from app.fingerprint.identifier import IDENTIFICATION_POOL
from app.fingerprint.preparation import PREPARATION_POOL
from app.lipsync.commission import COMMISSION_POOL
from app.lipsync.renderer import PORTRAIT_POOL
from app.runtime.connections import Connections
from app.runtime.database import READ_POOL, WRITE_POOL, Database
from app.runtime.metrics import Metrics
from app.runtime.workers import CODEC_POOL, FILES_POOL, Workers
from app.settings import Settings
from app.tts.kept_statistics import KeptStatistics
from app.tts.sql import StatisticsTable


class Services:
    """What the doors open onto. An async context manager."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Build everything; nothing runs before it is entered.

        Raises:
            InvalidInput: a setting names something that does not exist.
        """
        self.settings = settings
        self._clock = clock
        self._started_at = clock()
        cores = os.cpu_count() or 1
        self.workers = Workers(
            {
                CODEC_POOL: cores,
                READ_POOL: 4,
                WRITE_POOL: 1,
                FILES_POOL: 4,
                PASSWORD_POOL: max(1, cores // 2),
                INDEX_POOL: 2,
                RECOGNITION_POOL: 1,
                IDENTIFICATION_POOL: settings.recognize_at_once,
                PREPARATION_POOL: 1,
                PORTRAIT_POOL: portraits_at_once(settings),
                COMMISSION_POOL: 2,
            }
        )
        self.metrics = Metrics()
        self._figures = SpeechFigures(self.metrics, settings.tts_backends)
        self.connections = Connections(clock=clock)
        self.database = Database(database_url(settings), self.workers)
        self.accounts, self.authority = build_accounts(settings, self.database, self.workers)
        self._administrator = Administrator.parse(settings.admin_email, settings.admin_password)
        self.synthesizer = build_synthesizer(settings, self.workers, self._figures)
        self._caller = build_caller(settings)
        self.webhooks = build_webhooks(settings, self.database, self._caller)
        self.studio = build_studio(
            settings,
            self.synthesizer,
            self.database,
            self.workers,
            on_owed=self.webhooks.look,
            on_done=lambda status: self.metrics.takes_done(status).inc(),
        )
        store = build_store(self.database)
        self.preparation = build_preparation(settings, self.workers)
        self.catalogue = build_catalogue(settings, store, self.workers, prepare=self.preparation.wait)
        self.hearings = build_hearings(settings, self.catalogue, self.workers, self.metrics)
        self.readers = build_readers(settings)
        self.intake = build_intake(settings, store, self.readers, self.workers)
        self.identifier = build_identifier(settings, self.catalogue, self.readers, self.workers)
        self._portrait_figures = PortraitFigures(self.metrics)
        self.atelier = build_atelier(settings, self.synthesizer, self.workers, self._portrait_figures)
        self.audio_files = build_audio_files(settings, self.workers)
        self.shared_reads = SharedReads(self.workers)
        self.sounds = Sounds(self.workers)
        self.event_url = build_event_url(settings)
        self.callbacks = build_callbacks(settings, self.database)
        self.callback_signature = build_signature(settings)
        self.call_processors = build_processors(self.synthesizer, self.hearings, self.catalogue)
        self._open = AsyncExitStack()
        self._group: TaskGroup

    async def __aenter__(self) -> "Services":
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.database)
            await self.database.migrate()
            if self._administrator is not None:
                await appoint(self._administrator, self.accounts)
            await stack.enter_async_context(self.accounts.upkeep())
            await stack.enter_async_context(KeptStatistics(self._figures.statistics, StatisticsTable(self.database)))
            await stack.enter_async_context(self.synthesizer)
            await stack.enter_async_context(self._caller)
            await stack.enter_async_context(self.webhooks)
            await stack.enter_async_context(self.studio)
            await stack.enter_async_context(self.readers)
            await stack.enter_async_context(self.preparation)
            await stack.enter_async_context(self.catalogue)
            await stack.enter_async_context(self.hearings)
            self._group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(self._group.cancel_scope.cancel)
            self._group.start_soon(self.metrics.watch_loop)
            self._open = stack.pop_all()
        return self

    async def open_door(self, serve: Callable[..., Coroutine[Any, Any, None]]) -> None:
        """Run a door that has a port of its own, until everything closes; returns once it listens."""
        await self._group.start(serve)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    def stats(self) -> dict[str, Any]:
        """Return what `/stats` says of the server as a whole; `uptime` in seconds."""
        return {
            "uptime": round(self._clock() - self._started_at, 3),
            "total_requests": self.synthesizer.requests,
            "active_connections": len(self.connections),
            "disk_cache_bytes": self.synthesizer.cache.disk_bytes,
            "all_time": self._figures.all_time(),
        }

    async def has_database(self) -> str | None:
        """Tell why the database does not answer, None if it does."""
        try:
            await self.database.check()
        except Unavailable as error:
            return str(error)
        return None

    async def is_accepting(self) -> str | None:
        """Tell why no new work is taken, None if it is."""
        return "the server is shutting down" if self.connections.is_draining else None

    async def can_speak(self) -> str | None:
        """Tell why nothing can be spoken, None if something can."""
        if self.synthesizer.available:
            return None
        return "; ".join(f"{report.name}: {report.reason}" for report in self.synthesizer.reports())

    def render_metrics(self) -> tuple[bytes, str]:
        """Return the metrics of this moment and their content type."""
        self._figures.gauge(self.synthesizer)
        self._portrait_figures.gauge(self.atelier)
        return self.metrics.render()
