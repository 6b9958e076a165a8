import numpy as np
import pytest

from app.fingerprint.landmarks import landmarks, probes
from tests.fingerprint.constellations import constellation


@pytest.fixture(autouse=True, scope="session")
def compiled_kernels() -> None:
    """Compile what the laws call, so that no example of theirs takes seconds."""
    peaks = constellation(np.random.default_rng(0))
    landmarks(peaks)
    probes(peaks, since=3, speed=1.01)
