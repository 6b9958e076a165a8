"""Fetches models: `scripts/download_models [list | NAME...]`.

Without a name it shows what there is. Exit codes: 0 everything asked for is there; 1 something could not be fetched,
and running it again goes on from where it broke off; 2 an unknown name or option; 3 a licence was not agreed to.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from app.downloads.catalogue import ITEMS, Item, find
from app.errors import NotFound, Unavailable
from app.runtime.download import Downloader, Progress

DONE, FAILED, UNKNOWN, DECLINED, INTERRUPTED = 0, 1, 2, 3, 130

BAR_CHARACTERS = 24
SHOWS_PER_SECOND = 8
MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where the command reads and writes."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    ask: Callable[[str], str] | None = None
    """Asks a person; None: nobody is there."""
    clock: Callable[[], float] = time.monotonic

    def say(self, text: str = "") -> None:
        """Write a line."""
        print(text, file=self.out, flush=True)


class Bar:
    """Shows how far a file is, on one line if somebody watches, every tenth of it otherwise."""

    def __init__(self, name: str, terminal: Terminal) -> None:
        self._name = name
        self._terminal = terminal
        self._started_at = self._shown_at = terminal.clock()
        self._first: int | None = None
        self._tenths = 0

    def show(self, done: int, total: int | None) -> None:
        """Take the bytes that are there, and those of the whole file if that is known."""
        if self._first is None:
            self._first = done
        is_last = done == total
        if self._terminal.out.isatty():
            now = self._terminal.clock()
            if is_last or now - self._shown_at >= 1 / SHOWS_PER_SECOND:
                self._shown_at = now
                print(f"\r{self._line(done, total)}", end="\n" if is_last else "", file=self._terminal.out, flush=True)
        elif total and (tenths := 10 * done // total) > self._tenths:
            self._tenths = tenths
            self._terminal.say(self._line(done, total))

    def _line(self, done: int, total: int | None) -> str:
        elapsed = max(self._terminal.clock() - self._started_at, 1e-3)
        speed = f"{(done - (self._first or 0)) / elapsed / MIB:.1f} MiB/s"
        if not total:
            return f"  {self._name}  {done / MIB:.1f} MiB  {speed}"
        filled = BAR_CHARACTERS * done // total
        bar = "#" * filled + "." * (BAR_CHARACTERS - filled)
        return f"  {self._name}  [{bar}] {done / total:4.0%} of {total / MIB:.1f} MiB  {speed}"


def main(
    arguments: Sequence[str],
    *,
    terminal: Terminal,
    environment: Mapping[str, str],
    downloader: Callable[[], Downloader] = Downloader,
    find: Callable[[str], Item] = find,
) -> int:
    """Run the command and return its exit code."""
    options = _parser(environment).parse_args(arguments)
    if not options.names or options.names == ["list"]:
        show_list(options.models, terminal)
        return DONE
    try:
        items = list({item.name: item for item in map(find, options.names)}.values())
    except NotFound as error:
        terminal.say(f"download_models: {error}")
        return UNKNOWN
    for item in items:
        if item.consent and not has_consent(item, terminal, accepted=options.accept):
            terminal.say(f"download_models: {item.name} is not fetched without agreement to its licence")
            return DECLINED
    with downloader() as fetcher:
        results = [fetch(item, options.models, fetcher, terminal) for item in items]
    return DONE if all(results) else FAILED


def show_list(models: Path, terminal: Terminal) -> None:
    """Show what can be fetched, and what is there."""
    terminal.say(f"{'name':<22}{'size':>10}  {'there':<7}{'sha256':<9}what, and under which licence")
    for item in ITEMS.values():
        size = f"{item.size / MIB:.0f} MiB" if item.size else "unknown"
        there = "yes" if all((models / path).exists() for path in item.files) else "no"
        known = "known" if item.is_proven else "unknown"
        terminal.say(f"{item.name:<22}{size:>10}  {there:<7}{known:<9}{item.about}; {item.licence}")
        for source in item.files.values():
            terminal.say(f"{'':<22}{'':>10}  {'':<16}{source.url}")
    terminal.say("Any other voice of https://huggingface.co/rhasspy/piper-voices can be named too: en_US-amy-medium")


def has_consent(item: Item, terminal: Terminal, *, accepted: Sequence[str]) -> bool:
    """Tell whether the user agrees to an item's licence, by an option or when asked."""
    terminal.say(f"{item.name}: {item.licence}")
    terminal.say(f"  {item.consent}.")
    if item.name in accepted:
        return True
    if terminal.ask is None:
        terminal.say(f"  Nobody is there to agree; `--accept {item.name}` does.")
        return False
    return terminal.ask("  Do you agree? Type yes: ").strip().lower() == "yes"


def fetch(item: Item, models: Path, downloader: Downloader, terminal: Terminal) -> bool:
    """Fetch an item's files; tell whether all of them are there."""
    terminal.say(f"{item.name}: {item.about}; licence: {item.licence}")
    for path, source in item.files.items():
        name = Path(path).name
        progress: Progress = Bar(name, terminal).show
        try:
            fetched = downloader.fetch(source, models / path, progress=progress)
        except Unavailable as error:
            terminal.say(f"  {name} failed: {error}")
            return False
        proof = "as published" if fetched.is_proven else "no published one known, kept for later"
        terminal.say(f"  {name} {'fetched' if fetched.is_new else 'is there'}, sha256 {fetched.sha256} ({proof})")
    return True


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/download_models", description="Fetches models for the backends.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to fetch; without one, or with `list`, a table")
    parser.add_argument("--accept", action="append", default=[], metavar="NAME", help="agree to the licence of NAME")
    parser.add_argument(
        "--models", type=Path, default=Path(environment.get("MODELS_DIR") or "models"), help="where to put them"
    )
    return parser


def _ask() -> Callable[[str], str] | None:
    return input if sys.stdin.isatty() else None


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:], terminal=Terminal(ask=_ask()), environment=os.environ))
    except KeyboardInterrupt:
        print("\ndownload_models: interrupted; run it again to go on")
        sys.exit(INTERRUPTED)
