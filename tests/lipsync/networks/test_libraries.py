import subprocess
import sys
from importlib.util import find_spec

import pytest

from app.lipsync.networks.libraries import LIBRARIES, preload

IMPORT = """
from app.lipsync.networks.libraries import preload
names = preload()
open("/proc/self/maps").read().index("libtorch_cpu.so")
import torch
assert torch.ones(2).sum().item() == 2
assert preload() == []
print(",".join(names))
"""


@pytest.mark.skipif(find_spec("torch") is None or sys.platform != "linux", reason="torch on Linux is needed")
def test_torch_is_imported_with_its_libraries_there_already():
    run = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True, timeout=300)
    names = run.stdout.strip().split(",")
    assert "libtorch_cpu.so" in names and set(names) <= set(LIBRARIES)


def test_a_package_that_is_not_there_has_none():
    assert preload("no_such_package") == []


def test_what_is_no_library_is_left_to_the_import(tmp_path, monkeypatch):
    library = tmp_path / "falsetorch" / "lib" / LIBRARIES[1]
    library.parent.mkdir(parents=True)
    library.write_bytes(b"no library")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert preload("falsetorch") == []
