import subprocess
import sys
from threading import Thread

import numpy as np

from app.fingerprint.kernel import Kernel, kernel


@kernel
def square(value: float) -> float:
    """Multiply a number by itself."""
    return value * value


@kernel
def sum_of_squares(values: np.ndarray) -> float:
    total = 0.0
    for value in values:
        total += square(value)
    return total


def test_a_kernel_may_call_a_kernel():
    assert sum_of_squares(np.arange(4.0)) == 14.0
    assert sum_of_squares.compiled() is sum_of_squares.compiled()


def test_a_kernel_is_documented_and_readable():
    assert square.__doc__ == "Multiply a number by itself."
    assert square.python(3.0) == 9.0


def test_threads_compile_a_kernel_once():
    twice, found = Kernel(lambda value: value * 2), []
    threads = [Thread(target=lambda: found.append(twice.compiled())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(set(map(id, found))) == 1


def test_nothing_is_compiled_before_it_is_called():
    program = "import app.fingerprint.search, app.fingerprint.recognizer, sys; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
