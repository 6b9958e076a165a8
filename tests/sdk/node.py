"""Node.js, which runs the JavaScript clients in tests."""

import os
import shutil
from pathlib import Path

import anyio
import pytest

MIN_MAJOR = 20

FLAGS = ("--experimental-websocket", "--no-warnings")  # Node.js 20 has a WebSocket behind the first


async def run_node(*arguments: str | Path, env: dict[str, str] | None = None) -> str:
    """Run Node.js and return what it printed; a failure of the program fails the test, with its words.

    Where there is no Node.js 20 or later the test is skipped; where CI=true says that all is there, it fails.
    """
    node = shutil.which("node")
    if node is None or await _major(node) < MIN_MAJOR:
        reason = f"Node.js {MIN_MAJOR} or later is needed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    done = await anyio.run_process(
        [node, *FLAGS, *map(str, arguments)], check=False, env=dict(os.environ) | (env or {})
    )
    assert done.returncode == 0, f"{done.stdout.decode()}\n{done.stderr.decode()}"
    return done.stdout.decode()


async def _major(node: str) -> int:
    version = await anyio.run_process([node, "--version"])
    return int(version.stdout.decode().lstrip("v").split(".")[0])
