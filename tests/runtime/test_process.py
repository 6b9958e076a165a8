import os
import signal
import sys
from pathlib import Path

import anyio
import pytest

from app.runtime import process
from app.runtime.process import Complaints, Process, Program

pytestmark = pytest.mark.anyio

ECHO = [sys.executable, "-S", "-m", "tests.runtime.worker_program"]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


async def test_line_is_logged_when_it_is_complete(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints(7, clock=Clock())
    complaints.feed(b"\nno such ")
    complaints.feed(b"voice\nand")
    assert lines(caplog) == ["worker process 7: no such voice"]
    assert complaints.last == "no such voice"


async def test_end_completes_the_last_line(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints(7, clock=Clock())
    complaints.feed(b"half a \xff")
    complaints.feed(b"")
    assert lines(caplog) == ["worker process 7: half a \N{REPLACEMENT CHARACTER}"]


async def test_endless_line_is_cut() -> None:
    complaints = Complaints(7, clock=Clock())
    complaints.feed(b"x" * 5000)
    assert complaints.last == "x" * Complaints.LINE_BYTES


async def test_lines_of_one_minute_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    complaints = Complaints(7, clock=clock)
    complaints.feed(b"crying\n" * 1000)
    assert len(caplog.records) == Complaints.LINES_PER_MINUTE + 1
    clock.now = 60.0
    complaints.feed(b"again\n")
    assert lines(caplog)[-1] == "worker process 7: again"


class Recorded:
    """A process, and what it told."""

    def __init__(self, program: Program) -> None:
        self.frames: list[tuple[int, bytes]] = []
        self.lost = anyio.Event()
        self.process = Process(program, received=self._take, lost=self.lost.set)

    def _take(self, kind: int, payload: bytes) -> None:
        self.frames.append((kind, payload))


async def test_process_that_ends_is_lost_and_described() -> None:
    recorded = Recorded(Program(["false"], 1000))
    await recorded.lost.wait()
    assert await recorded.process.end() == "ended with status 1"
    assert recorded.process.reason == "it closed its output"


async def test_program_that_does_not_exist_raises() -> None:
    with pytest.raises(OSError, match="no-such-program"):
        Recorded(Program(["/no-such-program"], 1000))


async def test_process_that_ignores_the_end_of_its_input_is_killed() -> None:
    recorded = Recorded(Program(["sleep", "1000"], 1000))
    assert await recorded.process.end(patience=0.01) == "was ended by SIGKILL"


async def test_process_that_obeys_the_end_of_its_input_is_not_killed() -> None:
    recorded = Recorded(Program(["cat"], 1000))
    assert await recorded.process.end(patience=60) == "ended with status 0"


async def test_process_that_cannot_be_killed_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(Program(["sleep", "1000"], 1000))
    monkeypatch.setattr(os, "killpg", lambda pid, signal: None)
    monkeypatch.setattr(process, "REAP_SECONDS", 0.01)
    assert await recorded.process.end() == "does not end"
    os.kill(recorded.process.pid, signal.SIGKILL)
    recorded.process._popen.wait(timeout=10)


async def test_process_that_takes_no_request_is_lost() -> None:
    recorded = Recorded(Program(["sh", "-c", "exec 0<&-; echo deaf >&2; exec sleep 1000"], 1000))
    while recorded.process.last_words != "deaf":
        await anyio.lowlevel.checkpoint()
    recorded.process.send(b"hello")
    assert recorded.process.reason == "it takes no request: Broken pipe"
    await recorded.process.end()


async def test_request_is_written_as_the_process_reads(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    recorded = Recorded(Program(["sh", "-c", f"read line < {gate}; cat > /dev/null"], 1000))
    recorded.process.send(bytes(1_000_000))
    assert recorded.process._unsent
    await anyio.to_thread.run_sync(gate.write_bytes, b"go on\n")
    while recorded.process._unsent:
        await anyio.lowlevel.checkpoint()
    assert await recorded.process.end(patience=60) == "ended with status 0"


async def test_spurious_wake_up_reads_nothing() -> None:
    recorded = Recorded(Program(["cat"], 1000))
    recorded.process._read()
    assert recorded.process.usable
    await recorded.process.end()


async def test_lost_process_is_neither_paused_nor_resumed() -> None:
    recorded = Recorded(Program(["cat"], 1000))
    recorded.process.give_up("enough")
    recorded.process.pause()
    recorded.process.resume()
    recorded.process.give_up("more than enough")
    assert recorded.process.reason == "enough"
    await recorded.process.end()


async def test_pipe_is_enlarged_where_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: object) -> int:
        raise PermissionError

    monkeypatch.setattr(process.fcntl, "fcntl", forbidden)
    recorded = Recorded(Program(["cat"], 1000))
    assert recorded.process.usable
    await recorded.process.end()


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
async def test_memory_bound_of_a_process_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*args: object) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(process.resource, "prlimit", gone)
    recorded = Recorded(Program(["cat"], 1000, memory_bytes=1 << 30))
    await recorded.process.end()


async def test_other_systems_have_neither_pipe_sizes_nor_memory_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    recorded = Recorded(Program(["cat"], 1000, memory_bytes=1))
    assert await recorded.process.end(patience=60) == "ended with status 0"
