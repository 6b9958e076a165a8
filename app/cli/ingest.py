"""`python -m app ingest`: files, folders and lists of files into the catalogue, on the machine of the server.

It works on the server's database, also while that runs, which finds new tracks within seconds. What is there already
is not listened to again, so a run that was broken off is just started again. Exit codes: 0 everything is there; 1
something could not be taken in; 2 a wrong argument or setting, or no database; 130 interrupted.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import anyio

from app.assembly.catalogue import build_catalogue, build_intake, command_workers, open_store
from app.cli.likenesses import Pair, pairs_of, say_pairs
from app.cli.progress import Progress, clock_time
from app.cli.terminal import Terminal
from app.fingerprint.ingest import Ingest, Report
from app.fingerprint.readers import Readers
from app.fingerprint.sources import Flaw, find
from app.fingerprint.store import Store
from app.runtime.workers import FILES_POOL, Workers
from app.settings import Settings

DONE, REFUSED, INTERRUPTED = 0, 1, 130

_PATHS_HELP: Final = (
    "a file of any kind that holds sound, a folder with all that is below it, or a list: .csv with a line of column"
    " names, .json or .jsonl, with path and, as far as they are known, title, url, thumbnail_url, video_id"
)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `ingest` to the command line."""
    parser = commands.add_parser("ingest", help="take sound files into the catalogue")
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help=_PATHS_HELP)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--no-duplicates", action="store_true", help="do not compare new tracks with all others")
    parser.add_argument("--json", action="store_true", help="say what came of it for programs")
    parser.set_defaults(run=run)


def run(settings: Settings, chosen: argparse.Namespace, terminal: Terminal | None = None) -> int:
    """Run the command; returns the exit status.

    Raises:
        Unavailable: the database does not answer.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)  # nobody asked how the database is doing
    report = Report()
    try:
        pairs = anyio.run(_run, settings, chosen, report)
    except KeyboardInterrupt:
        kept = len(report.added) + len(report.renewed)
        print(f"\ningest: interrupted; {kept} tracks were kept, and the same command goes on", file=sys.stderr)
        return INTERRUPTED
    _say(terminal or Terminal(), report, pairs, as_json=chosen.json)
    return REFUSED if report.flaws else DONE


async def _run(settings: Settings, chosen: argparse.Namespace, report: Report) -> list[Pair]:
    workers = command_workers()
    sources = await workers.run(FILES_POOL, lambda: list(find(chosen.paths)))
    async with open_store(settings, workers) as store:
        progress = Progress()
        async with Readers(max(1, chosen.workers)) as readers:
            intake = build_intake(settings, store, readers, workers)
            await Ingest(intake, store, report=report, on_step=lambda report: _show(progress, report)).run(sources)
        if chosen.no_duplicates or not report.added:
            return []
        return await _compare(settings, store, workers, report.added)


async def _compare(settings: Settings, store: Store, workers: Workers, added: Sequence[int]) -> list[Pair]:
    progress = Progress()
    async with build_catalogue(settings, store, workers) as catalogue:
        return await pairs_of(
            catalogue, workers, added, lambda done: progress.show(done, len(added), "compared with all others")
        )


def _show(progress: Progress, report: Report) -> None:
    speed = report.seconds / progress.elapsed
    trouble = f", {len(report.flaws)} refused" if report.flaws else ""
    progress.show(report.done, report.total, f"{speed:.0f} times real time{trouble}")


def _say(terminal: Terminal, report: Report, pairs: Sequence[Pair], *, as_json: bool) -> None:
    if as_json:
        terminal.say(json.dumps(_encode(report, pairs), ensure_ascii=False, indent=2))
        return
    relabelled = f" ({report.relabelled} with other labels now)" if report.relabelled else ""
    renewed = f", {len(report.renewed)} with a new fingerprint" if report.renewed else ""
    terminal.say(f"{len(report.added)} new, {report.known} there already{relabelled}{renewed}")
    if report.seconds:
        speed = report.seconds / max(report.elapsed, 1e-3)
        terminal.say(f"{clock_time(report.seconds)} of sound in {report.elapsed:.1f} s: {speed:.0f} times real time")
    _say_flaws(terminal, report.damaged, "damaged, taken in as far as they could be read:")
    _say_flaws(terminal, report.flaws, "could not be taken in:")
    say_pairs(terminal, pairs)


def _say_flaws(terminal: Terminal, flaws: Sequence[Flaw], what: str) -> None:
    if flaws:
        terminal.say(f"{len(flaws)} {what}")
    for flaw in flaws:
        terminal.say(f"  {_printable(flaw.where)}: {_printable(flaw.reason)}")


def _encode(report: Report, pairs: Sequence[Pair]) -> dict[str, Any]:
    said = asdict(report)
    for name in ("flaws", "damaged"):
        said[name] = [{key: _printable(text) for key, text in flaw.items()} for flaw in said[name]]
    return {**said, "nearly_the_same": [pair.encode() for pair in pairs]}


def _printable(text: str) -> str:
    """Return a text without the half surrogates that stand for bytes of a file's name."""
    return text.encode("utf-8", "replace").decode()
