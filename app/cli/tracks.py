"""`python -m app tracks`: the catalogue of tracks, on the machine of the server.

It works on the server's database, also while that runs, which knows of a change within seconds. Exit codes: 0 done;
1 it could not be done, or not wholly; 2 a wrong argument or setting, or no database; 130 interrupted.
"""

import argparse
import json
import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack, aclosing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

import anyio

from app.assembly.catalogue import build_catalogue, command_workers, open_store
from app.cli.likenesses import pairs_of, say_pairs
from app.cli.progress import Progress, clock_time
from app.cli.table import moment, say_table
from app.cli.terminal import Terminal
from app.errors import InvalidInput, NotFound
from app.fingerprint.store import MAX_PAGE_LENGTH, Outcome, Page, Store
from app.fingerprint.track import Track
from app.fingerprint.transfer import export, import_archive
from app.runtime.workers import FILES_POOL, Workers
from app.settings import Settings

DONE, REFUSED, INTERRUPTED = 0, 1, 130

_WHICH_HELP: Final = "id, video_id, or the SHA-256 of the file"
_FILE_HELP: Final = "a tar; - for the pipe"
_TITLE_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command works with."""

    settings: Settings
    store: Store
    workers: Workers
    terminal: Terminal


Command: TypeAlias = Callable[[Desk, argparse.Namespace], Awaitable[int]]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `tracks` to the command line."""
    kinds = commands.add_parser("tracks", help="show and change the catalogue").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listing = _parser(kinds, "list", "show tracks, newest first", _list)
    listing.add_argument("text", metavar="TEXT", nargs="?", help="only those whose title holds it")
    listing.add_argument("--page", type=int, default=1, help="of 100 tracks (default 1)")
    listing.add_argument("--json", action="store_true", help="for programs")
    remove = _parser(kinds, "remove", "forget tracks", _remove)
    remove.add_argument("which", metavar="WHICH", nargs="+", help=_WHICH_HELP)
    _parser(kinds, "export", "write all tracks into one file", _export).add_argument("file", help=_FILE_HELP)
    _parser(kinds, "import", "take in the tracks of such a file", _import).add_argument("file", help=_FILE_HELP)
    _parser(kinds, "duplicates", "show which tracks are nearly the same", _duplicates)
    _parser(kinds, "count", "show how much there is", _count)


def run(settings: Settings, chosen: argparse.Namespace, terminal: Terminal | None = None) -> int:
    """Run the chosen command; returns the exit status.

    Raises:
        Unavailable: the database does not answer.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)  # nobody asked how the database is doing
    try:
        return anyio.run(_run, settings, chosen, terminal or Terminal())
    except (NotFound, InvalidInput) as error:
        print(f"tracks: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("\ntracks: interrupted", file=sys.stderr)
        return INTERRUPTED


async def _run(settings: Settings, chosen: argparse.Namespace, terminal: Terminal) -> int:
    workers = command_workers()
    async with open_store(settings, workers) as store:
        command: Command = chosen.command
        return await command(Desk(settings, store, workers, terminal), chosen)


async def _list(desk: Desk, chosen: argparse.Namespace) -> int:
    listing = await desk.store.list_tracks(Page(number=chosen.page, text=chosen.text))
    if chosen.json:
        tracks = [asdict(track) for track in listing.tracks]
        desk.terminal.say(json.dumps({"total": listing.total, "tracks": tracks}, ensure_ascii=False, indent=2))
        return DONE
    heads = ("id", "video_id", "length", "added", "title")
    say_table(desk.terminal, heads, [_row(track) for track in listing.tracks])
    desk.terminal.say(f"{len(listing.tracks)} of {listing.total}")
    return DONE


async def _remove(desk: Desk, chosen: argparse.Namespace) -> int:
    found = [await _find(desk.store, which) for which in chosen.which]
    await desk.store.remove([track.id for track in found])
    for track in found:
        desk.terminal.say(f"'{track.title}' (id {track.id}) is gone")
    return DONE


async def _export(desk: Desk, chosen: argparse.Namespace) -> int:
    with ExitStack() as stack:
        file = _opened(stack, chosen.file, "wb")
        async with aclosing(export(desk.store)) as pieces:
            await _write(desk.workers, file, pieces)
    return DONE


async def _import(desk: Desk, chosen: argparse.Namespace) -> int:
    with ExitStack() as stack:
        imported = await import_archive(_opened(stack, chosen.file, "rb"), desk.store.add, desk.workers)
    count = imported.outcomes
    renewed = f", {count[Outcome.RENEWED]} with a newer fingerprint" if count[Outcome.RENEWED] else ""
    desk.terminal.say(f"{count[Outcome.ADDED]} new, {count[Outcome.KNOWN]} there already{renewed}")
    for flaw in imported.flaws:
        desk.terminal.say(f"  {flaw.where}: {flaw.reason}")
    return REFUSED if imported.flaws else DONE


async def _duplicates(desk: Desk, chosen: argparse.Namespace) -> int:
    ids: list[int] = []
    while more := await desk.store.next_ids(ids[-1] if ids else 0, limit=MAX_PAGE_LENGTH):
        ids += more
    progress = Progress()
    async with build_catalogue(desk.settings, desk.store, desk.workers) as catalogue:
        pairs = await pairs_of(catalogue, desk.workers, ids, lambda done: progress.show(done, len(ids), "compared"))
    say_pairs(desk.terminal, pairs)
    if not pairs:
        desk.terminal.say("no two tracks are nearly the same")
    return DONE


async def _count(desk: Desk, chosen: argparse.Namespace) -> int:
    figures = await desk.store.figures()
    desk.terminal.say(f"{figures.tracks} tracks, {clock_time(figures.seconds)} of sound")
    versions = ", ".join(f"{count} of version {version}" for version, count in figures.versions.items())
    desk.terminal.say(f"fingerprints of {figures.fingerprint_bytes} bytes{f': {versions}' if versions else ''}")
    return DONE


async def _find(store: Store, which: str) -> Track:
    if which.isdecimal() and (found := await store.find([int(which)])):
        return found[0]
    for page in (Page(video_id=which), Page(content_hash=which)):
        if tracks := (await store.list_tracks(page)).tracks:
            return tracks[0]
    raise NotFound(f"there is no track '{which}'")


def _opened(stack: ExitStack, name: str, mode: str) -> IO[bytes]:
    if name == "-":
        return sys.stdout.buffer if mode == "wb" else sys.stdin.buffer
    try:
        file: IO[bytes] = stack.enter_context(Path(name).open(mode))  # noqa: SIM115 the stack closes it
    except OSError as error:
        raise InvalidInput(f"{name} cannot be opened: {error.strerror}") from error
    return file


async def _write(workers: Workers, file: IO[bytes], pieces: AsyncGenerator[bytes, None]) -> None:
    try:
        async for piece in pieces:
            await workers.run(FILES_POOL, partial(file.write, piece))
        await workers.run(FILES_POOL, file.flush)
    except OSError as error:
        raise InvalidInput(f"the archive cannot be written: {error.strerror}") from error


def _row(track: Track) -> tuple[str, ...]:
    title = track.title if len(track.title) <= _TITLE_CHARACTERS else f"{track.title[: _TITLE_CHARACTERS - 1]}…"
    return str(track.id), track.video_id, clock_time(track.duration), moment(track.added_ms / 1000), title


def _parser(kinds: Any, name: str, help: str, command: Command) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = kinds.add_parser(name, help=help)
    parser.set_defaults(run=run, command=command)
    return parser
