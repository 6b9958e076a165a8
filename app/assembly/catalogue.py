"""The catalogue of tracks, and what takes files into it, built out of settings."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from app.assembly.storage import database_url
from app.fingerprint import kernel
from app.fingerprint.catalogue import Catalogue
from app.fingerprint.follower import INDEX_POOL
from app.fingerprint.identifier import Identifier
from app.fingerprint.intake import Intake
from app.fingerprint.preparation import Preparation
from app.fingerprint.readers import Readers
from app.fingerprint.sql import SqlStore
from app.fingerprint.store import Store
from app.runtime.database import READ_POOL, WRITE_POOL, Database
from app.runtime.workers import FILES_POOL, Workers
from app.settings import Settings

MAX_READERS = 4
"""In a server, which has more to do; a command takes all cores."""


def build_store(database: Database) -> SqlStore:
    """Return where tracks are kept."""
    return SqlStore(database)


def keep_kernels(settings: Settings) -> None:
    """Have machine code kept in DATA_DIR where the folder of the program cannot be written."""
    if not os.access(Path(kernel.__file__).parent, os.W_OK):
        os.environ.setdefault("NUMBA_CACHE_DIR", str(settings.data_dir / "kernels"))  # for processes to come, too


def build_preparation(settings: Settings, workers: Workers) -> Preparation:
    """Return what has the kernels of recognition ready."""
    keep_kernels(settings)
    return Preparation(workers)


def build_catalogue(
    settings: Settings, store: Store, workers: Workers, *, prepare: Callable[[], Awaitable[None]] | None = None
) -> Catalogue:
    """Return the catalogue of a store; its index is in DATA_DIR/index, and `prepare` is waited for before it opens."""
    folder = settings.data_dir / "index"
    return Catalogue(store, folder, workers, prepare=prepare) if prepare else Catalogue(store, folder, workers)


def build_readers(settings: Settings) -> Readers:
    """Return the processes that read sound files."""
    return Readers(settings.sound_readers or min(os.cpu_count() or 1, MAX_READERS))


def build_intake(settings: Settings, store: Store, readers: Readers, workers: Workers) -> Intake:
    """Return what looks at files that are to become tracks."""
    return Intake(store, readers, workers, max_seconds=settings.tracks_max_seconds)


def build_identifier(settings: Settings, catalogue: Catalogue, readers: Readers, workers: Workers) -> Identifier:
    """Return what says which tracks are heard in a recording."""
    return Identifier(
        catalogue,
        readers,
        workers,
        at_once=settings.recognize_at_once,
        waiting=settings.recognize_max_waiting,
        max_seconds=settings.recognize_max_seconds,
    )


@asynccontextmanager
async def open_store(settings: Settings, workers: Workers) -> AsyncIterator[SqlStore]:
    """Open the tracks alone, in a database that may be a running server's; `workers` are of `command_workers`.

    Raises:
        InvalidInput: a setting is wrong.
        Unavailable: the database does not answer.
    """
    keep_kernels(settings)
    async with Database(database_url(settings), workers) as database:
        await database.migrate()
        yield build_store(database)


def command_workers() -> Workers:
    """Return the threads that a command needs."""
    return Workers({READ_POOL: 2, WRITE_POOL: 1, FILES_POOL: 4, INDEX_POOL: 2})
