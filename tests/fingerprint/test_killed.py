"""Processes that are killed while they write a snapshot, at any moment."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.fingerprint.index import FILE_NAME, Index
from app.fingerprint.snapshot import DRAFT_SUFFIX
from tests.fingerprint.indexes import compile_kernels, finds

ROOT = Path(__file__).parents[2]
LONGEST = 0.15
"""Seconds; a merge takes a third of it."""


@pytest.fixture(autouse=True, scope="module")
def compiled_kernels(tmp_path_factory):
    compile_kernels(tmp_path_factory.mktemp("index"))


def merge_and_be_killed(folder: Path, after: float) -> int:
    """Let a process merge for so many seconds; returns the last generation that it said was written."""
    command = [sys.executable, "-m", "tests.fingerprint.merging_program", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    said = process.stdout.readline()
    time.sleep(after)
    process.kill()
    rest, _ = process.communicate()
    return int((said + rest).split()[-1])


def drafts(folder: Path) -> list[Path]:
    return list(folder.glob(f"{FILE_NAME}.*{DRAFT_SUFFIX}"))


def test_whoever_is_killed_in_the_midst_leaves_a_whole_snapshot(tmp_path):
    rng, halves, said = random.Random(7), 0, 0
    for _ in range(100):
        said = merge_and_be_killed(tmp_path, rng.uniform(0, LONGEST))
        index = Index(tmp_path)
        assert index.is_whole()
        assert index.generation in (said, said + 1)  # it may have been killed before it could say so
        assert index.view().reel.track_ids.tolist() == list(range(1, index.generation + 1))
        assert finds(index.view(), index.generation)
        halves += len(drafts(tmp_path))
        if halves >= 3:
            break
    assert halves >= 3
    assert index.merge()
    assert not drafts(tmp_path)
    assert Index(tmp_path).figures().tracks == index.generation
