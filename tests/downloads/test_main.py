import io
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from app.downloads.__main__ import DECLINED, DONE, FAILED, UNKNOWN, Bar, Terminal, main
from app.downloads.catalogue import ITEMS, Item
from app.downloads.catalogue import find as find_published
from app.runtime.download import Downloader, Source
from tests.file_server import FileServer, serving

CONTENT = b"model" * 100_000


@pytest.fixture
def files() -> Iterator[FileServer]:
    with serving(CONTENT) as server:
        yield server


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


class Command:
    """The command with a catalogue of two items on our own server."""

    def __init__(self, files: FileServer, models: Path) -> None:
        self.out = io.StringIO()
        self.answer: str | None = None
        self._models = models
        self._items = {
            "free": Item("free", "a model", "MIT", {"free/model": Source(f"{files.url}/a", None, files.sha256)}),
            "bound": Item("bound", "a model", "CPML", {"bound/model": Source(f"{files.url}/b")}, "no commercial use"),
        }

    def run(self, *arguments: str) -> int:
        ask: Callable[[str], str] | None = None if self.answer is None else lambda question: str(self.answer)
        return main(
            arguments,
            terminal=Terminal(self.out, ask),
            environment={"MODELS_DIR": str(self._models)},
            downloader=lambda: Downloader(attempts=1, sleep=lambda seconds: None),
            find=lambda name: self._items.get(name) or find_published(name),
        )


@pytest.fixture
def command(files: FileServer, tmp_path: Path) -> Command:
    return Command(files, tmp_path)


def test_named_model_is_fetched_once(command: Command, files: FileServer, tmp_path: Path) -> None:
    assert command.run("free", "free") == DONE
    assert (tmp_path / "free" / "model").read_bytes() == CONTENT
    assert f"model fetched, sha256 {files.sha256} (as published)" in command.out.getvalue()
    assert command.run("free") == DONE
    assert "model is there" in command.out.getvalue()
    assert len(files.ranges) == 1


@pytest.mark.parametrize("arguments", [(), ("list",)])
def test_table_names_everything(command: Command, arguments: Sequence[str]) -> None:
    assert command.run(*arguments) == DONE
    table = command.out.getvalue()
    for item in ITEMS.values():
        assert item.name in table and item.licence in table
        assert all(source.url in table for source in item.files.values())


def test_unknown_name_fetches_nothing(command: Command, files: FileServer) -> None:
    assert command.run("free", "nonsense") == UNKNOWN
    assert "'nonsense' is neither in the list" in command.out.getvalue()
    assert files.ranges == []


@pytest.mark.parametrize("answer", [None, "", "no", "y"])
def test_without_agreement_nothing_is_fetched(command: Command, files: FileServer, answer: str | None) -> None:
    command.answer = answer
    assert command.run("free", "bound") == DECLINED
    assert "no commercial use" in command.out.getvalue()
    assert files.ranges == []


def test_agreement_is_given_by_a_person_or_by_an_option(command: Command, files: FileServer, tmp_path: Path) -> None:
    command.answer = "Yes"
    assert command.run("bound") == DONE
    (tmp_path / "bound" / "model").unlink()
    command.answer = None
    assert command.run("bound", "--accept", "bound") == DONE
    assert "(no published one known, kept for later)" in command.out.getvalue()


def test_failure_is_told_and_the_others_are_fetched(command: Command, files: FileServer, tmp_path: Path) -> None:
    files.status = [404]
    assert command.run("bound", "free", "--accept", "bound") == FAILED
    assert "model failed: " in command.out.getvalue()
    assert (tmp_path / "free" / "model").exists()


def test_bar_moves_on_one_line_if_somebody_watches() -> None:
    now = [0.0]
    screen = Screen()
    bar = Bar("model", Terminal(screen, clock=lambda: now[0]))
    for done in range(0, 101, 10):
        now[0] += 0.05
        bar.show(done * 1024**2, 100 * 1024**2)
    shown = screen.getvalue()
    assert shown.count("\n") == 1 and shown.endswith("\n")
    assert 2 <= shown.count("\r") <= 6
    assert "[########################] 100% of 100.0 MiB" in shown


def test_bar_is_ten_lines_if_nobody_watches() -> None:
    out = io.StringIO()
    bar = Bar("model", Terminal(out))
    for done in range(1001):
        bar.show(done, 1000)
    assert len(out.getvalue().splitlines()) == 10


def test_bar_of_an_unknown_length_counts() -> None:
    now = [0.0]
    screen = Screen()
    bar = Bar("model", Terminal(screen, clock=lambda: now[0]))
    now[0] = 1.0
    bar.show(3 * 1024**2, None)
    assert "3.0 MiB" in screen.getvalue()


def test_script_lists() -> None:
    script = Path(__file__).parents[2] / "scripts" / "download_models"
    done = subprocess.run([script, "list"], capture_output=True, text=True, check=True)
    assert "zh_CN-huayan-medium" in done.stdout
