"""Tables and times, as commands show them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from app.cli.terminal import Terminal


def moment(seconds: float | None) -> str:
    """Return a time since the epoch in UTC (RFC 3339), `never` for none."""
    return "never" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def say_table(terminal: Terminal, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Show rows below their heads, each column as wide as it must be."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    for row in [heads, *rows]:
        terminal.say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
