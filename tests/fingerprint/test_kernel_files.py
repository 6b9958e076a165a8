import subprocess
import sys

import numpy as np

from app.fingerprint.kernel import Kernel, kernel
from app.fingerprint.kernel_files import Completeness, folder_of, stamp

LEVEL = 3


@kernel
def inner(value: int) -> int:
    return value + LEVEL


@kernel
def outer(values: np.ndarray) -> int:
    return inner(len(values))


def test_a_function_has_another_name_when_anything_that_it_is_made_of_is_another(monkeypatch):
    names = [stamp(outer.python)]
    monkeypatch.setitem(globals(), "LEVEL", 4)
    names.append(stamp(outer.python))
    monkeypatch.setitem(globals(), "inner", Kernel(lambda value: value - LEVEL))
    names.append(stamp(outer.python))
    assert len(set(names)) == 3
    monkeypatch.undo()
    assert stamp(outer.python) == names[0]


def test_another_process_gives_the_same_name():
    program = (
        "from app.fingerprint.warm_up import kernels; from app.fingerprint.kernel_files import stamp;"
        " print(sorted(stamp(one.python) for one in kernels()))"
    )
    told = {subprocess.run([sys.executable, "-c", program], check=True, stdout=-1).stdout for _ in range(2)}
    assert len(told) == 1


def test_code_is_kept_beside_the_source_unless_another_folder_is_named(monkeypatch, tmp_path):
    source = tmp_path / "one" / "room" / "file.py"
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert folder_of(source) == source.parent / "__pycache__"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kept"))
    chosen = folder_of(source)
    assert chosen.parent == tmp_path / "kept"
    assert folder_of(tmp_path / "other" / "room" / "file.py") != chosen
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert folder_of(source) == source.parent / "__pycache__"
    assert folder_of(tmp_path / "file" / "room" / "file.py") is None


def test_what_is_complete_is_remembered_until_a_kernel_changes(monkeypatch, tmp_path):
    source = tmp_path / "room" / "file.py"
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    before = Completeness([outer], source)
    assert not before.is_noted
    before.note()
    assert before.is_noted
    monkeypatch.setitem(globals(), "LEVEL", 4)
    after = Completeness([outer], source)
    assert not after.is_noted
    after.note()
    assert after.is_noted and not before.is_noted


def test_where_nothing_can_be_written_nothing_is_noted(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    (tmp_path / "file").touch()
    complete = Completeness([outer], tmp_path / "file" / "file.py")
    complete.note()
    assert not complete.is_noted
