import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest

from app.runtime import child, pipe
from app.runtime.child import Channel


@pytest.fixture
def ends() -> Iterator[SimpleNamespace]:
    """Both ends of two pipes: `source` and `sink` are the child's, `requests` and `answers` the server's."""
    source, requests = os.pipe()
    answers, sink = os.pipe()
    yield SimpleNamespace(source=source, sink=sink, requests=requests, answers=answers)
    for fd in (source, requests, answers, sink):
        with suppress(OSError):  # the test closed it
            os.close(fd)


def frames(fd: int) -> list[tuple[int, bytes]]:
    reader = pipe.FrameReader(max_frame_bytes=1_000_000)
    assert reader.read(fd)
    return list(reader.frames())


def channel(ends: SimpleNamespace) -> Channel:
    return Channel(ends.source, ends.sink, max_frame_bytes=100)


def test_requests_come_one_by_one_until_the_server_closes(ends: SimpleNamespace) -> None:
    os.write(ends.requests, pipe.encode(pipe.REQUEST, b"one") + pipe.encode(pipe.REQUEST, b"two"))
    os.close(ends.requests)
    assert list(channel(ends).requests()) == [b"one", b"two"]


def test_each_answer_is_one_frame(ends: SimpleNamespace) -> None:
    channel(ends).ready(b"hello")
    channel(ends).chunk(b"a", b"b", b"c")
    channel(ends).error(b"no")
    channel(ends).end()
    expected = [(pipe.READY, b"hello"), (pipe.CHUNK, b"abc"), (pipe.ERROR, b"no"), (pipe.END, b"")]
    assert frames(ends.answers) == expected


@contextmanager
def standard_streams(ends: SimpleNamespace) -> Iterator[None]:
    """Inside, the child's ends are the descriptors 0 and 1 of this process."""
    saved = [os.dup(fd) for fd in (0, 1)]
    os.dup2(ends.source, 0)
    os.dup2(ends.sink, 1)
    yield
    for fd, copy in enumerate(saved):
        os.dup2(copy, fd)
        os.close(copy)


@pytest.fixture
def death_signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    calls: list[tuple[int, int]] = []
    libc = SimpleNamespace(prctl=lambda option, value: calls.append((option, value)))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: libc)
    return calls


def test_what_is_printed_does_not_come_between_frames(
    ends: SimpleNamespace, death_signals: list[tuple[int, int]]
) -> None:
    def program(channel: Channel) -> None:
        os.write(1, b"a library is talking\n")
        channel.end()
        assert os.read(0, 1) == b""

    with standard_streams(ends):
        child.run(program)
    assert frames(ends.answers) == [(pipe.END, b"")]


def test_program_whose_server_is_gone_ends_quietly(ends: SimpleNamespace, death_signals: list[tuple[int, int]]) -> None:
    os.close(ends.answers)
    with standard_streams(ends):
        child.run(lambda channel: channel.end())


@pytest.mark.parametrize(
    ("platform", "expected"), [("linux", [(child.PR_SET_PDEATHSIG, signal.SIGKILL)]), ("darwin", [])]
)
def test_linux_kills_a_worker_whose_server_is_gone(
    platform: str,
    expected: list[tuple[int, int]],
    ends: SimpleNamespace,
    death_signals: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with standard_streams(ends):
        child.run(lambda channel: None)
    assert death_signals == expected


def test_import_stays_light() -> None:
    heavy = "{'numpy', 'asyncio', 'anyio', 'json', 'typing', 'dataclasses', 'enum', 're'}"
    code = f"import sys, app.runtime.child; print({heavy} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "set()"
