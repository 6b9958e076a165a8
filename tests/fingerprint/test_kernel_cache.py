import errno
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from app.fingerprint import kernel_cache
from app.fingerprint.kernel import Kernel

PROGRAM = """
import json, sys
import numpy as np
from app.fingerprint.kernel import kernel
from {module} import add
sums = [float(add(np.arange(3, dtype=one))) for one in sys.argv[1:]]
print(json.dumps([*sums, bool(add._compiled.stats.cache_hits)]))
"""
SOURCE = """
from app.fingerprint.kernel import kernel
{line}

@kernel
def add(values):
    total = values[0] * 0
    for value in values:
        total += value * FACTOR
    return total
"""


def run(folder, *types, module="maths"):
    program = PROGRAM.format(module=module)
    # Python takes a file of the same second and size for the same, too
    environment = {"PYTHONPATH": f"{folder}:.", "NUMBA_CACHE_DIR": str(folder / "kept"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", program, *types], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def write(folder, factor):
    (folder / "constants.py").write_text(f"FACTOR = {factor}\n")
    (folder / "maths.py").write_text(SOURCE.format(line="from constants import FACTOR"))


def test_code_is_kept_for_the_next_process(tmp_path):
    write(tmp_path, 2)
    assert run(tmp_path, "float64") == [6.0, False]
    assert run(tmp_path, "float64") == [6.0, True]


def test_a_constant_of_another_file_makes_it_stale(tmp_path):
    write(tmp_path, 2)
    run(tmp_path, "float64")
    write(tmp_path, 5)
    assert run(tmp_path, "float64") == [15.0, False]


def test_processes_that_compile_the_same_at_once_do_each_other_no_harm(tmp_path):
    write(tmp_path, 2)
    types = ("float64", "int64", "float32", "uint8")
    with ThreadPoolExecutor() as threads:
        told = list(threads.map(lambda one: run(tmp_path, one), types))
    assert [sums[0] for sums in told] == [6.0] * len(types)
    assert run(tmp_path, *types) == [6.0] * len(types) + [True]


def double(values: np.ndarray) -> float:
    return float(values[0]) * 2


def test_a_kernel_works_where_nothing_can_be_kept(monkeypatch):
    monkeypatch.setattr(kernel_cache, "folder_of", lambda source: None)
    assert Kernel(double)(np.array([2.0])) == 4.0


def test_a_full_disk_is_told_and_nobody_fails(monkeypatch, tmp_path, caplog):
    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernel_cache.FunctionCache, "save_overload", fail)
    assert Kernel(double)(np.array([3.0])) == 6.0
    assert "No space left" in caplog.text
