import os

import pytest

from app.assembly import catalogue as room
from app.assembly.catalogue import keep_kernels
from app.settings import Settings


@pytest.mark.parametrize(
    ("is_writable", "chosen", "kept"), [(True, None, None), (False, None, "kernels"), (False, "/mine", "/mine")]
)
def test_machine_code_is_kept_where_it_can_be(monkeypatch, tmp_path, is_writable, chosen, kept):
    monkeypatch.setattr(room.os, "access", lambda path, mode: is_writable)
    monkeypatch.setenv("NUMBA_CACHE_DIR", chosen or "")
    if chosen is None:
        monkeypatch.delenv("NUMBA_CACHE_DIR")
    keep_kernels(Settings(data_dir=tmp_path))
    assert os.environ.get("NUMBA_CACHE_DIR") == (kept and str(tmp_path / kept))
