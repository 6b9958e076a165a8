import os
import sys

import anyio
import pytest

from app.fingerprint import preparation as room
from app.fingerprint.preparation import PREPARATION_POOL, Preparation
from app.runtime.workers import Workers
from tests.eventually import eventually

pytestmark = pytest.mark.anyio


class Complete:
    """What is remembered of the kernels."""

    is_noted = False


@pytest.fixture
def loaded(monkeypatch) -> list[bool]:
    """How often kernels were loaded; whatever is kept on this machine does not count."""
    loads: list[bool] = []
    monkeypatch.setattr(room, "completeness", Complete)
    monkeypatch.setattr(room, "warm_up", lambda stop: loads.append(stop.is_set()))
    return loads


def preparation(source: str, *, python: str = sys.executable) -> Preparation:
    return Preparation(Workers({PREPARATION_POOL: 1}), program=[python, "-c", source])


async def test_a_process_compiles_before_anything_is_loaded(loaded, tmp_path):
    mark = tmp_path / "compiled"
    async with preparation(f"open({str(mark)!r}, 'w')") as ready:
        assert not ready.is_ready
        await ready.wait()
        assert mark.exists() and ready.is_ready


async def test_what_is_there_is_not_compiled_again(loaded, monkeypatch):
    monkeypatch.setattr(Complete, "is_noted", True)
    async with preparation("import time; time.sleep(60)") as ready:
        with anyio.fail_after(10):
            await ready.wait()


async def test_kernels_are_loaded_once_and_only_when_they_are_needed(loaded):
    async with preparation("") as ready:
        await anyio.sleep(0.2)
        assert loaded == []
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ready.wait)
    assert loaded == [False]


@pytest.mark.parametrize("python", [sys.executable, "/no/such/python"])
async def test_where_no_process_can_compile_them_they_are_loaded_nevertheless(loaded, python, caplog):
    async with preparation("import sys; sys.exit('no compiler')", python=python) as ready:
        await ready.wait()
    assert loaded and "beforehand" in caplog.text


async def test_the_process_ends_with_the_server(loaded, tmp_path):
    program = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    async with preparation(program):
        await eventually(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()))
        number = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
    assert loaded == []


async def test_a_process_that_takes_too_long_is_not_waited_for(loaded, monkeypatch):
    monkeypatch.setattr(room, "PATIENCE_SECONDS", 0.05)
    async with preparation("import time; time.sleep(60)") as ready:
        await ready.wait()
    assert loaded == [False]
