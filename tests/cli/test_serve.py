import gc

import pytest

from app import __main__ as command
from app.runtime.server import Server


@pytest.fixture
def thawed():
    yield
    gc.unfreeze()


def test_a_server_starts_with_what_stays_exempt_from_the_search_for_garbage(tmp_path, monkeypatch, thawed):
    frozen = []
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setattr(command.logs, "configure", lambda level, *, json: None)  # which would stay for other tests
    monkeypatch.setattr(Server, "run", lambda server: frozen.append(gc.get_freeze_count()))
    assert command.main(["serve", "--port", "0"]) == 1  # it did not start, for it did not run
    assert frozen[0] > 100_000
