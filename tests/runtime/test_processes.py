"""Real worker processes (`worker_program.py`) that echo, crash, hang, talk nonsense and die at their start."""

import asyncio
import logging
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path

import anyio
import psutil
import pytest
import uvloop

from app.errors import DeadlineExceeded, InvalidInput, Unavailable, WorkerFailed, WorkerLost
from app.runtime import pipe
from app.runtime.processes import Processes

pytestmark = pytest.mark.anyio

COMMAND = [sys.executable, "-S", "-m", "tests.runtime.worker_program"]
ROOT = str(Path(__file__).parents[2])
FOREVER = 60.0
"""A time that no test reaches."""
SOON = 0.05
"""A deadline that a test waits for."""

make_processes = partial(
    Processes,
    count=1,
    job_timeout=FOREVER,
    grace=FOREVER,
    max_frame_bytes=4 * 1024 * 1024,
    environment={"PYTHONPATH": ROOT},
)


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(scope="module")
def loops_have_run() -> None:
    """What a loop opens once and for all is open."""
    asyncio.run(asyncio.sleep(0))
    uvloop.run(asyncio.sleep(0))


@pytest.fixture(autouse=True)
def nothing_is_left(loops_have_run: None) -> Iterator[None]:
    """No test leaves a process, a zombie or a descriptor behind."""
    server = psutil.Process()
    before = server.num_fds()
    yield
    assert server.children(recursive=True) == []
    assert server.num_fds() <= before


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A named pipe: a worker that reads it waits until the test writes."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


async def ask(processes: Processes, request: str) -> bytes:
    return b"".join([chunk async for chunk in processes.call(request.encode())])


def is_dead(process: psutil.Process) -> bool:
    """Whether it runs no more; that a stranger's zombie is reaped is the business of process 1."""
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


async def open_gate(gate: Path) -> None:
    """Let the worker that reads it go on; returns when it does read it."""
    await anyio.to_thread.run_sync(gate.write_bytes, b"open")


# --- answers ---


async def test_answer_comes_back() -> None:
    async with make_processes(COMMAND) as processes:
        assert await ask(processes, "echo 你好") == "你好".encode()


async def test_chunks_keep_their_borders_and_order() -> None:
    async with make_processes(COMMAND) as processes:
        chunks = [chunk async for chunk in processes.call(b"many 50 4000")]
        assert [chunk[:4] for chunk in chunks] == [number.to_bytes(4, "little") for number in range(50)]
        assert {len(chunk) for chunk in chunks} == {4000}


async def test_empty_answer_ends_at_once() -> None:
    async with make_processes(COMMAND) as processes:
        assert await ask(processes, "many 0 4") == b""


async def test_call_that_ended_stays_ended() -> None:
    async with make_processes(COMMAND) as processes:
        call = processes.call(b"refuse me")
        with pytest.raises(WorkerFailed):
            await anext(call)
        with pytest.raises(StopAsyncIteration):
            await anext(call)


async def test_request_and_answer_larger_than_a_pipe() -> None:
    async with make_processes(COMMAND) as processes:
        assert await ask(processes, "length " + "x" * 3_000_000) == b"3000000"
        assert len(await ask(processes, "zeros 4000000")) == 4_000_000


async def test_request_beyond_the_bound_is_refused() -> None:
    async with make_processes(COMMAND, max_frame_bytes=1000) as processes:
        with pytest.raises(InvalidInput, match="request of 1001 bytes, at most 1000"):
            processes.call(bytes(1001))


async def test_introduction_of_the_worker_is_kept() -> None:
    async with make_processes(COMMAND) as processes:
        assert processes.introduction == b"I am " + await ask(processes, "pid")


async def test_worker_refuses_one_job_and_does_the_next() -> None:
    async with make_processes(COMMAND) as processes:
        pid = await ask(processes, "pid")
        with pytest.raises(WorkerFailed, match="no such voice") as caught:
            await ask(processes, "refuse no such voice")
        assert caught.value.answer == b"no such voice"
        assert await ask(processes, "pid") == pid


async def test_environment_is_only_what_was_given() -> None:
    async with make_processes(COMMAND, environment={"PYTHONPATH": ROOT, "A": "b"}) as processes:
        names = (await ask(processes, "environment")).split()
        assert set(names) <= {b"PYTHONPATH", b"A", b"LC_CTYPE"}  # Python sets LC_CTYPE itself in the C locale


async def test_output_of_libraries_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with make_processes(COMMAND) as processes:
            await ask(processes, "print to standard output")
            await ask(processes, "complain to standard error")
    assert "to standard output" in caplog.text
    assert "to standard error" in caplog.text


# --- the line ---


async def test_workers_work_at_the_same_time(gate: Path) -> None:
    async with make_processes(COMMAND, count=2) as processes, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, processes, f"gate {gate}")
        await anyio.lowlevel.checkpoint()
        assert await ask(processes, "echo second") == b"second"
        await open_gate(gate)


async def test_line_is_served_in_order_of_arrival(gate: Path) -> None:
    served = []

    async def wait_for_turn(number: int) -> None:
        await ask(processes, f"echo {number}")
        served.append(number)

    async with make_processes(COMMAND) as processes, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, processes, f"gate {gate}")
        for number in range(20):
            tasks.start_soon(wait_for_turn, number)
        await open_gate(gate)
    assert served == list(range(20))


async def test_newcomer_cannot_overtake_the_line(gate: Path) -> None:
    served = []

    async def come_again_and_again(name: str) -> None:
        for _ in range(10):
            await ask(processes, f"echo {name}")
            served.append(name)

    async with make_processes(COMMAND) as processes, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, processes, f"gate {gate}")
        for name in "ab":
            tasks.start_soon(come_again_and_again, name)
        await open_gate(gate)
    assert served == ["a", "b"] * 10


async def test_cancelled_caller_leaves_the_line(gate: Path) -> None:
    async with make_processes(COMMAND) as processes, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, processes, f"gate {gate}")
        await anyio.lowlevel.checkpoint()
        with anyio.move_on_after(SOON) as scope:
            await ask(processes, f"gate {gate}")
        assert scope.cancelled_caught
        await open_gate(gate)
        assert await ask(processes, "echo next") == b"next"


async def test_many_callers_get_their_own_answers() -> None:
    answers: dict[int, bytes] = {}

    async def caller(number: int) -> None:
        answers[number] = await ask(processes, f"echo {number}")

    async with make_processes(COMMAND, count=3) as processes, anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(caller, number)
    assert answers == {number: str(number).encode() for number in range(200)}


# --- crashes ---

CRASHES = {
    "signal SIGSEGV": "was ended by SIGSEGV",
    "signal SIGKILL": "was ended by SIGKILL",
    "exit 0": "ended with status 0",
    "exit 3": "ended with status 3",
    "close": "was ended by SIGKILL",
    "raw ffffffff02": "was ended by SIGKILL",  # a frame of 4 GiB
    "raw 0000000063": "was ended by SIGKILL",  # an unknown kind
    "raw 0000000005": "was ended by SIGKILL",  # a second greeting
    "raw 0000000063 0000000003": "was ended by SIGKILL",  # nothing after nonsense is believed
}


@pytest.mark.parametrize("request_text", CRASHES)
async def test_worker_that_breaks_costs_one_call_and_is_replaced(request_text: str) -> None:
    async with make_processes(COMMAND) as processes:
        pid = await ask(processes, "pid")
        with pytest.raises(WorkerLost, match=CRASHES[request_text]):
            await ask(processes, request_text)
        assert await ask(processes, "pid") != pid
        assert processes.usable


async def test_chunks_before_the_crash_arrive() -> None:
    async with make_processes(COMMAND) as processes:
        call = processes.call(b"signal SIGSEGV")
        assert await anext(call) == b"last"
        with pytest.raises(WorkerLost):
            await anext(call)


async def test_others_go_on_while_one_worker_crashes(gate: Path) -> None:
    answers = []

    async def wait_at_the_gate() -> None:
        answers.append(await ask(processes, f"gate {gate}"))

    async with make_processes(COMMAND, count=2) as processes, anyio.create_task_group() as tasks:
        tasks.start_soon(wait_at_the_gate)
        await anyio.lowlevel.checkpoint()
        with pytest.raises(WorkerLost):
            await ask(processes, "signal SIGSEGV")
        await open_gate(gate)
    assert answers == [b"open"]


async def test_crash_of_an_idle_worker_is_noticed_and_costs_nothing() -> None:
    async with make_processes(COMMAND) as processes:
        pid = int(await ask(processes, "pid"))
        os.kill(pid, signal.SIGKILL)
        while processes.alive:  # the end of its output arrives in a moment
            await anyio.lowlevel.checkpoint()
        assert int(await ask(processes, "pid")) != pid


async def test_frame_of_an_idle_worker_is_nonsense() -> None:
    async with make_processes(COMMAND) as processes:
        pid = await ask(processes, "pid")
        assert await ask(processes, "raw 0000000003 0000000003") == b""  # an END, and one that nobody waits for
        assert await ask(processes, "pid") != pid


async def test_whole_process_group_of_a_worker_is_killed() -> None:
    async with make_processes(COMMAND, job_timeout=0.5) as processes:
        call = processes.call(b"child")
        child = psutil.Process(int(await anext(call)))
        with pytest.raises(DeadlineExceeded):
            await anext(call)
        while not is_dead(child):
            await anyio.lowlevel.checkpoint()


async def test_memory_of_a_worker_is_bounded() -> None:
    async with make_processes(COMMAND, memory_bytes=512 * 1024 * 1024) as processes:
        assert await ask(processes, "memory 1000000") == b"1000000"
        with pytest.raises(WorkerLost):
            await ask(processes, "memory 1000000000")
        assert await ask(processes, "memory 1000000") == b"1000000"


# --- time ---


async def test_job_that_takes_too_long_ends_with_its_worker() -> None:
    async with make_processes(COMMAND, job_timeout=SOON) as processes:
        with pytest.raises(DeadlineExceeded, match=r"longer than 0\.05 s"):
            await ask(processes, "hang")
        assert await ask(processes, "echo next") == b"next"


async def test_time_in_the_line_is_not_the_jobs_time() -> None:
    async with make_processes(COMMAND, job_timeout=0.3) as processes, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask, processes, "burn 0.02")
        await anyio.lowlevel.checkpoint()
        assert await ask(processes, "echo patient") == b"patient"


async def test_slow_reader_stops_the_worker_at_the_bound_and_loses_nothing() -> None:
    async with make_processes(COMMAND, max_buffered_bytes=100_000, count=2) as processes:
        call = processes.call(b"many 100 80000")
        chunks = [await anext(call)]
        while call.buffered_bytes <= 100_000:
            await anyio.lowlevel.checkpoint()
        assert await ask(processes, "burn 0.05") == b""
        assert call.buffered_bytes <= 100_000 + pipe.FIRST_BUFFER_BYTES
        chunks += [chunk async for chunk in call]
        assert [chunk[:1] for chunk in chunks] == [bytes([number]) for number in range(100)]


async def test_reader_slower_than_the_jobs_time_loses_the_job() -> None:
    async with make_processes(COMMAND, max_buffered_bytes=0, job_timeout=0.3) as processes:
        call = processes.call(b"many 100 80000")
        await anext(call)
        assert await ask(processes, "echo next") == b"next"
        with pytest.raises(DeadlineExceeded):
            [chunk async for chunk in call]


async def test_unread_answer_does_not_hold_the_worker() -> None:
    async with make_processes(COMMAND) as processes:
        call = processes.call(b"many 20 80000")
        first = await anext(call)
        assert await ask(processes, "echo next") == b"next"
        assert len(first + b"".join([chunk async for chunk in call])) == 20 * 80_000


# --- cancelling ---


async def test_closed_call_waits_for_the_worker_and_keeps_it(gate: Path) -> None:
    async with make_processes(COMMAND) as processes, anyio.create_task_group() as tasks:
        pid = await ask(processes, "pid")
        call = processes.call(f"chunk-then-gate {gate}".encode())
        assert await anext(call) == b"first"
        tasks.start_soon(open_gate, gate)
        await call.aclose()
        assert call.worker is None
        assert await ask(processes, "pid") == pid


async def test_closed_call_yields_nothing_more() -> None:
    async with make_processes(COMMAND) as processes:
        call = processes.call(b"many 5 4")
        await anext(call)
        await call.aclose()
        await call.aclose()
        assert [chunk async for chunk in call] == []


async def test_call_closed_before_it_began_never_runs() -> None:
    async with make_processes(COMMAND) as processes:
        call = processes.call(b"hang")
        await call.aclose()
        assert [chunk async for chunk in call] == []


async def test_closing_a_call_that_hangs_kills_the_worker_after_the_grace() -> None:
    async with make_processes(COMMAND, grace=SOON) as processes:
        pid = int(await ask(processes, "pid"))
        async with aclosing(processes.call(b"chunk-then-hang")) as call:
            assert await anext(call) == b"first"
        assert not psutil.pid_exists(pid)
        assert await ask(processes, "echo next") == b"next"


async def test_cancelled_caller_returns_after_its_worker_is_gone() -> None:
    async with make_processes(COMMAND, grace=SOON) as processes:
        pid = int(await ask(processes, "pid"))
        with anyio.move_on_after(SOON) as scope:
            await ask(processes, "hang")
        assert scope.cancelled_caught
        assert not psutil.pid_exists(pid)


async def test_cancelled_caller_leaves_a_worker_alone_that_finishes_in_time(gate: Path) -> None:
    async with make_processes(COMMAND) as processes, anyio.create_task_group() as tasks:
        pid = await ask(processes, "pid")
        with anyio.CancelScope() as scope:
            tasks.start_soon(_cancel_then_open, scope, gate)
            await ask(processes, f"gate {gate}")
        assert scope.cancelled_caught
        assert await ask(processes, "pid") == pid


async def _cancel_then_open(scope: anyio.CancelScope, gate: Path) -> None:
    scope.cancel()
    await open_gate(gate)


async def test_slow_reader_that_leaves_has_its_answer_drained() -> None:
    async with make_processes(COMMAND, max_buffered_bytes=0) as processes:
        pid = await ask(processes, "pid")
        async with aclosing(processes.call(b"many 100 80000")) as call:
            await anext(call)
        assert await ask(processes, "pid") == pid


# --- all of it ---


async def test_storm_of_crashes_and_cancels_spoils_no_other_answer() -> None:
    dice = random.Random(1)
    right = 0

    async def caller(number: int) -> None:
        nonlocal right
        match dice.randrange(4):
            case 0:
                with pytest.raises(WorkerLost):
                    await ask(processes, "signal SIGSEGV")
            case 1:
                with anyio.move_on_after(dice.random() * 0.1):
                    await ask(processes, "many 10 80000")
            case 2:
                async with aclosing(processes.call(b"many 10 80000")) as call:
                    await anext(call)
            case _:
                assert await ask(processes, f"echo {number}") == str(number).encode()
                right += 1

    async with make_processes(COMMAND, count=2) as processes:
        async with anyio.create_task_group() as tasks:
            for number in range(60):
                tasks.start_soon(caller, number)
        assert right > 5
        assert await ask(processes, "echo calm") == b"calm"


# --- start and end ---


async def test_all_workers_start_at_the_same_time(tmp_path: Path) -> None:
    async with make_processes([*COMMAND, "meet-at-start", str(tmp_path / "arrivals"), "3"], count=3) as processes:
        assert processes.alive == 3


async def test_command_that_does_not_exist_is_told_and_raises_nothing() -> None:
    async with make_processes(["/no-such-program"]) as processes:
        assert (processes.alive, processes.usable) == (0, False)
        with pytest.raises(Unavailable, match=r"/no-such-program cannot be started: No such file"):
            await ask(processes, "echo hi")


async def test_death_at_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    async with make_processes([*COMMAND, "die-at-start", str(tmp_path / "starts")], count=2) as processes:
        with pytest.raises(Unavailable, match="ended with status 1 .*: no dictionary found"):
            await ask(processes, "echo hi")


class Pauses:
    """Stands for `anyio.sleep`: notes what was asked for, and waits until `wake` is called."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._wake = anyio.Event()

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await self._wake.wait()

    def wake(self) -> None:
        self._wake.set()
        self._wake = anyio.Event()


async def test_pauses_grow_while_workers_die_at_their_start(tmp_path: Path) -> None:
    pauses, starts = Pauses(), tmp_path / "starts"
    command = [*COMMAND, "die-at-start", str(starts)]
    async with make_processes(command, sleep=pauses, restart_delay=1, max_restart_delay=5):
        for count in range(1, 6):
            while len(pauses.seconds) < count:
                await anyio.lowlevel.checkpoint()
            assert len(starts.read_text()) == count
            pauses.wake()
    assert pauses.seconds[:5] == [1, 2, 4, 5, 5]


async def test_worker_that_dies_without_a_job_again_and_again_is_trouble() -> None:
    async with make_processes([*COMMAND, "die-when-ready"]) as processes:
        while processes.usable:
            await anyio.lowlevel.checkpoint()
        assert "ended with status 0" in str(processes.trouble)


async def test_nonsense_at_start_is_no_greeting() -> None:
    async with make_processes([*COMMAND, "garbage-at-start"]) as processes:
        assert not processes.usable
        assert "out of turn" in str(processes.trouble)


async def test_worker_that_never_gets_ready_is_given_up() -> None:
    async with make_processes([*COMMAND, "hang-at-start"], start_timeout=SOON) as processes:
        assert "not ready within 0.05 s" in str(processes.trouble)


async def test_program_that_is_repaired_is_found_again(tmp_path: Path) -> None:
    pauses, program = Pauses(), tmp_path / "program"
    async with make_processes([str(program)], sleep=pauses) as processes:
        assert not processes.usable
        program.symlink_to(_script(tmp_path))
        pauses.wake()
        while not processes.usable:
            await anyio.lowlevel.checkpoint()
        assert await ask(processes, "echo back") == b"back"
        assert processes.trouble is None


def _script(folder: Path) -> Path:
    script = folder / "script"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -S -m tests.runtime.worker_program\n")
    script.chmod(0o755)
    return script


async def test_waiting_callers_are_refused_when_no_worker_comes(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.symlink_to(_script(tmp_path))
    async with make_processes([str(program)]) as processes:
        call = processes.call(b"signal SIGSEGV")
        assert await anext(call) == b"last"
        program.unlink()
        with pytest.raises(Unavailable, match="cannot be started"):
            await ask(processes, "echo waiting")


async def test_calls_outside_of_the_context_are_refused() -> None:
    processes = make_processes(COMMAND)
    with pytest.raises(Unavailable, match="the pool is closed"):
        await ask(processes, "echo early")
    async with processes:
        assert await ask(processes, "echo now") == b"now"
    with pytest.raises(Unavailable, match="the pool is closed"):
        await ask(processes, "echo late")
    async with processes:
        assert await ask(processes, "echo again") == b"again"


async def test_leaving_ends_running_and_waiting_calls() -> None:
    failures: list[str] = []

    async def record(request: str) -> None:
        try:
            await ask(processes, request)
        except (WorkerLost, Unavailable) as failure:
            failures.append(type(failure).__name__)

    async with anyio.create_task_group() as tasks, make_processes(COMMAND) as processes:
        tasks.start_soon(record, "hang")
        tasks.start_soon(record, "echo waiting")
        await anyio.wait_all_tasks_blocked()
    assert sorted(failures) == ["Unavailable", "WorkerLost"]


async def test_cancelled_entry_leaves_nothing(gate: Path) -> None:
    with anyio.move_on_after(SOON) as scope:
        async with make_processes([*COMMAND, "hang-at-start"]):
            pytest.fail("no worker can be ready")
    assert scope.cancelled_caught


async def test_error_inside_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with make_processes(COMMAND):
            raise KeyError


async def test_workers_have_a_process_group_of_their_own() -> None:
    async with make_processes(COMMAND) as processes:
        assert os.getpgid(int(await ask(processes, "pid"))) != os.getpgrp()


SERVER = """
import sys, anyio
from app.runtime.processes import Processes

async def main():
    command = [sys.executable, "-S", "-m", "tests.runtime.worker_program"]
    async with Processes(command, count=2, job_timeout=60, grace=60, max_frame_bytes=100) as processes:
        print((await anext(processes.call(b"pid"))).decode(), flush=True)
        async for pid in processes.call(b"pid-then-hang"):
            print(pid.decode(), flush=True)

anyio.run(main)
"""


def test_workers_die_with_a_server_that_is_killed() -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, cwd=ROOT)
    assert server.stdout
    workers = [psutil.Process(int(server.stdout.readline())) for _ in range(2)]
    server.kill()
    server.wait()
    server.stdout.close()
    while not all(map(is_dead, workers)):
        os.sched_yield()
