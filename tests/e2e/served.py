"""The whole server as a user starts it: `python -m app serve`, a process of its own on a free port."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


OFFLINE = {"TTS_BACKENDS": "espeak"}  # no test asks anybody outside


class Served:
    """A running server."""

    def __init__(self, port: int, process: subprocess.Popen[str], log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.ws_url = f"ws://127.0.0.1:{port}/ws"
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def tells(self, line: str) -> bool:
        """Tell whether the log has, or soon gets, such a line: it follows the answer."""
        deadline = time.monotonic() + 60
        while line not in self.log and time.monotonic() < deadline:
            time.sleep(0.02)
        return line in self.log

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def served(data: Path, *, port: int = 0, **settings: str) -> Iterator[Served]:
    """Start a server with a data folder and settings; wait until it answers; stop it in the end.

    `port` is for one that comes back where another one was; 0 takes a free one.
    """
    with socket.create_server(("127.0.0.1", port)) as probe:
        port = probe.getsockname()[1]
    log = data / "log.txt"
    environment = {**os.environ, "DATA_DIR": str(data), "DANMU_MAX_CONNECTIONS_PER_IP": "0", **OFFLINE, **settings}
    with log.open("w") as lines:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stderr=lines,
            text=True,
        )
    server = Served(port, process, log)
    try:
        _wait_until_it_answers(server)
        yield server
    finally:
        if process.poll() is None:
            server.stop()


def _wait_until_it_answers(server: Served) -> None:
    for _ in range(2400):
        if server.process.poll() is not None:
            raise AssertionError(f"the server did not start:\n{server.log}")
        try:
            server.get("/health")
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the server does not answer:\n{server.log}")
