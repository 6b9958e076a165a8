"""The composition root: builds everything that lives as long as the server, and opens and closes it in order."""

import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import anyio
from anyio.abc import TaskGroup

from app.accounts.accounts import Accounts, Terms
from app.accounts.administrator import Administrator, appoint
from app.accounts.passwords import PASSWORD_POOL, Passwords
from app.accounts.sql import AccountTables
from app.accounts.standings import Standings
from app.api.speak.answers import encode_item
from app.errors import ChorusError, InvalidInput, Unavailable
from app.runtime.auth import Authority, Identity, StaticKeys
from app.runtime.connections import Connections
from app.runtime.database import READ_POOL, WRITE_POOL, Database
from app.runtime.http import HttpClient
from app.runtime.metrics import Metrics
from app.runtime.secret import load_secret
from app.runtime.workers import Workers
from app.settings import Settings
from app.takes.recordings import Recordings
from app.takes.signature import parse_secret
from app.takes.sql import SqlDeliveries, SqlStore
from app.takes.studio import Studio, StudioLimits
from app.takes.webhooks import Webhooks
from app.tts.backend import Backend
from app.tts.backends.edge import Edge
from app.tts.backends.espeak import Espeak
from app.tts.backends.kokoro import Kokoro
from app.tts.backends.piper import Piper
from app.tts.backends.tone import Tone
from app.tts.backends.xtts import Xtts
from app.tts.cache import SpeechCache
from app.tts.disk_cache import FILES_POOL, DiskCache
from app.tts.genders import gender_of, is_male
from app.tts.kana import find_reader
from app.tts.kept_statistics import KeptStatistics
from app.tts.leveler import Leveler
from app.tts.sql import StatisticsTable
from app.tts.statistics import FROM_DISK, FROM_MEMORY, NOT_IN_MEMORY, Statistics
from app.tts.statistics_metrics import StatisticsCollector
from app.tts.synthesizer import Synthesizer
from app.tts.tape import CODEC_POOL

MAX_VOICE_PROCESSES = 4
MAX_TAKES_AT_ONCE = 4
EDGE_START_SECONDS = 0.5  # a server without the internet must not wait for it
WEBHOOK_SECONDS = 10.0

BACKENDS: Mapping[str, Callable[[Settings], Backend]] = {
    "espeak": lambda settings: Espeak(
        workers=settings.tts_workers or min(os.cpu_count() or 1, MAX_VOICE_PROCESSES),
        words_per_minute=settings.tts_words_per_minute,
        max_seconds=settings.tts_max_speech_seconds,
        to_kana=find_reader(),
    ),
    "edge": lambda settings: Edge(
        data_dir=settings.data_dir,
        proxy=settings.edge_proxy or None,
        ca_file=Path(settings.edge_ca_file) if settings.edge_ca_file else None,
        pace=settings.edge_pace,
        concurrency=settings.edge_connections,
        max_seconds=settings.tts_max_speech_seconds,
        start_timeout=EDGE_START_SECONDS,
    ),
    "piper": lambda settings: Piper(
        settings.models_dir,
        url=settings.piper_url,
        workers=settings.piper_workers,
        voices_in_memory=settings.piper_voices_in_memory,
        max_seconds=settings.tts_max_speech_seconds,
        gender_of=gender_of,
    ),
    "kokoro": lambda settings: Kokoro(
        settings.models_dir,
        model=settings.kokoro_model,
        workers=settings.kokoro_workers,
        max_seconds=settings.tts_max_speech_seconds,
        gender_of=gender_of,
    ),
    "xtts": lambda settings: Xtts(
        settings.models_dir / "xtts",
        agreed=settings.coqui_tos_agreed,
        device=settings.xtts_device,
        python=settings.xtts_python or sys.executable,
        threads=settings.xtts_threads,
        max_seconds=settings.tts_max_speech_seconds,
        is_male=is_male,
    ),
    "tone": lambda settings: Tone(),
}
"""Every speech backend that TTS_BACKENDS may name; `tone` beeps, for tests."""


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
        pools = {CODEC_POOL: cores, READ_POOL: 4, WRITE_POOL: 1, FILES_POOL: 4, PASSWORD_POOL: max(1, cores // 2)}
        self.workers = Workers(pools)
        self.metrics = Metrics()
        self.statistics = Statistics()
        self.metrics.registry.register(StatisticsCollector(self.statistics))
        self._jobs = {name: self.metrics.backend(name) for name in settings.tts_backends}
        self.connections = Connections(clock=clock)
        self.database = Database(database_url(settings), self.workers)
        self.accounts, self.authority = _build_accounts(settings, self.database, self.workers)
        self._administrator = Administrator.parse(settings.admin_email, settings.admin_password)
        self.synthesizer = Synthesizer(
            [_backend(name, settings) for name in settings.tts_backends],
            workers=self.workers,
            cache=SpeechCache(
                max_bytes=settings.tts_cache_bytes, max_age=settings.tts_cache_seconds, on_lookup=self._note_lookup
            ),
            disk=DiskCache(
                settings.data_dir / "cache" / "speech",
                workers=self.workers,
                max_bytes=settings.tts_disk_cache_bytes,
                max_age=settings.tts_disk_cache_seconds,
                variant=(settings.tts_loudness_lufs, settings.edge_pace),
                on_lookup=self._note_disk_lookup,
            ),
            queue_depth=settings.tts_queue_depth,
            default_backend=settings.tts_default_backend,
            default_language=settings.tts_default_language,
            handover_seconds=settings.tts_handover_seconds,
            catch_up=settings.tts_catch_up,
            leveler=Leveler(target_lufs=settings.tts_loudness_lufs, workers=self.workers),
            on_job=self._note_job,
            on_first_audio=self.statistics.first_audio,
        )
        self._callers = _callers(settings)
        self.webhooks = Webhooks(
            SqlDeliveries(self.database),
            self._callers,
            secret=_webhook_secret(settings),
            attempts=settings.webhook_attempts,
            deadline=WEBHOOK_SECONDS,
        )
        self.studio = Studio(
            self.synthesizer,
            SqlStore(self.database),
            Recordings(
                settings.data_dir / "takes",
                workers=self.workers,
                max_bytes=settings.takes_disk_bytes,
                max_age=settings.takes_disk_seconds,
            ),
            limits=StudioLimits(
                text_characters=settings.takes_max_characters,
                batch=settings.takes_max_batch,
                waiting_per_account=settings.takes_max_waiting,
                at_once=settings.takes_at_once or min(cores, MAX_TAKES_AT_ONCE),
            ),
            maker=load_secret(settings.data_dir / "server.id").hex(),
            render=encode_item,
            on_owed=self.webhooks.look,
            on_done=lambda status: self.metrics.takes_done(status).inc(),
        )
        self._open = AsyncExitStack()
        self._group: TaskGroup

    async def __aenter__(self) -> "Services":
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.database)
            await self.database.migrate()
            if self._administrator is not None:
                await appoint(self._administrator, self.accounts)
            await stack.enter_async_context(self.accounts.upkeep())
            await stack.enter_async_context(KeptStatistics(self.statistics, StatisticsTable(self.database)))
            await stack.enter_async_context(self.synthesizer)
            await stack.enter_async_context(self._callers)
            await stack.enter_async_context(self.webhooks)
            await stack.enter_async_context(self.studio)
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
            "all_time": self._all_time(),
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
        for report in self.synthesizer.reports():
            self._jobs[report.name].waiting.set(report.waiting)
        self.metrics.cache_bytes.set(self.synthesizer.cache.size_bytes)
        self.metrics.disk_cache_bytes.set(self.synthesizer.cache.disk_bytes)
        self.metrics.takes_waiting.set(self.studio.waiting)
        self.metrics.takes_making.set(self.studio.making)
        return self.metrics.render()

    def _all_time(self) -> dict[str, Any]:
        backends, cache = self.statistics.backends(), self.statistics.cache()
        return {
            "jobs": sum(figures.jobs for figures in backends.values()),
            "failures": sum(sum(figures.failures.values()) for figures in backends.values()),
            "backends": {name: asdict(figures) for name, figures in backends.items()},
            "cache": {**asdict(cache), "hit_rate": cache.hit_rate},
        }

    def _note_job(self, backend: str, seconds: float, error: ChorusError | None) -> None:
        if error is None:
            self._jobs[backend].seconds.observe(seconds)
            self.statistics.finished(backend, seconds)
        else:
            self._jobs[backend].failed(type(error).__name__)
            self.statistics.failed(backend, type(error).__name__)

    def _note_lookup(self, hit: bool) -> None:
        (self.metrics.cache_hits if hit else self.metrics.cache_misses).inc()
        self.statistics.looked_up(FROM_MEMORY if hit else NOT_IN_MEMORY)

    def _note_disk_lookup(self, hit: bool) -> None:
        if hit:
            self.statistics.looked_up(FROM_DISK)


def database_url(settings: Settings) -> str:
    """Return the URL of the one durable store."""
    return settings.database_url or f"sqlite:///{settings.data_dir / 'chorus.db'}"


@asynccontextmanager
async def open_accounts(settings: Settings) -> AsyncIterator[Accounts]:
    """Open the accounts alone, on a database that may be a running server's.

    Raises:
        InvalidInput: a setting is wrong.
        Unavailable: the database does not answer.
    """
    workers = Workers({READ_POOL: 1, WRITE_POOL: 1, PASSWORD_POOL: 1})
    async with Database(database_url(settings), workers) as database:
        await database.migrate()
        yield _build_accounts(settings, database, workers)[0]


def _build_accounts(settings: Settings, database: Database, workers: Workers) -> tuple[Accounts, Authority]:
    tables = AccountTables(database)
    standings = Standings(tables)
    keys = {key: Identity(f"key {n}") for n, key in enumerate(settings.api_keys, 1)}
    authority = Authority(_secret(settings), key_stores=[StaticKeys(keys), standings], sessions=standings)
    terms = Terms(
        access_seconds=settings.access_token_seconds,
        refresh_seconds=settings.refresh_token_seconds,
        login_attempts=settings.login_attempts,
        registration_open=settings.registration_open,
        registrations_per_hour=settings.registrations_per_hour,
    )
    accounts = Accounts(tables, passwords=Passwords(workers), authority=authority, standings=standings, terms=terms)
    return accounts, authority


def _secret(settings: Settings) -> bytes:
    return settings.auth_secret.encode() if settings.auth_secret else load_secret(settings.data_dir / "auth.secret")


def _callers(settings: Settings) -> HttpClient:
    networks = settings.webhook_networks
    try:
        return HttpClient(ports=settings.webhook_ports, allowed_networks=networks, deadline=WEBHOOK_SECONDS)
    except ValueError as error:
        raise InvalidInput(f"WEBHOOK_NETWORKS: {error}", field="WEBHOOK_NETWORKS") from error


def _webhook_secret(settings: Settings) -> bytes:
    if settings.webhook_secret:
        return parse_secret(settings.webhook_secret)
    return load_secret(settings.data_dir / "webhook.secret")


def _backend(name: str, settings: Settings) -> Backend:
    if name not in BACKENDS:
        raise InvalidInput(f"TTS_BACKENDS names '{name}', must be of {', '.join(BACKENDS)}", field="TTS_BACKENDS")
    return BACKENDS[name](settings)
