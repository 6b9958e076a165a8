"""A command run in this process, where nobody is at a terminal."""

import argparse
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import pytest

from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


def runner(
    command: ModuleType, settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Return what runs `command` with arguments, the first of which is its name."""

    def run(*arguments: str, pipe: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pipe)))
        parser = argparse.ArgumentParser(prog="python -m app")
        command.add_parser(parser.add_subparsers())
        try:
            chosen = parser.parse_args(arguments)
            code = chosen.run(settings, chosen)
        except SystemExit as exit:
            code = exit.code
        return Done(code, *capsys.readouterr())

    return run
