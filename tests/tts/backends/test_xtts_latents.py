import os
from pathlib import Path

import numpy as np
import pytest

from app.tts.backends.xtts_latents import LatentCache, Latents, Reference, references
from app.tts.backends.xtts_messages import Fault, Speaker


class Computer:
    """Counts how often latents were computed; they hold the recording's first byte."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, recording: Path) -> Latents:
        self.calls += 1
        value = recording.read_bytes()[0]
        return Latents(np.full((1, 2, 3), value, np.float32), np.full((1, 4, 1), value, np.float32))


@pytest.fixture
def anna(tmp_path: Path) -> Reference:
    return record(tmp_path, b"a")


def record(folder: Path, content: bytes, *, time: int = 1) -> Reference:
    path = folder / "anna.female.wav"
    path.write_bytes(content)
    os.utime(path, ns=(time, time))
    return Reference(Speaker("anna", "female"), path)


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.npz"))


def test_recordings_are_speakers_in_alphabetical_order(tmp_path: Path) -> None:
    for name in ("zoe.wav", "Dr. Bob.male.FLAC", "anna.female.wav", "notes.txt", "anna.0123.npz"):
        (tmp_path / name).touch()
    (tmp_path / "folder.wav").mkdir()
    speakers = [reference.speaker for reference in references(tmp_path).values()]
    assert speakers == [Speaker("Dr. Bob", "male"), Speaker("anna", "female"), Speaker("zoe")]


def test_absent_folder_has_no_recordings(tmp_path: Path) -> None:
    assert references(tmp_path / "voices") == {}


def test_latents_are_computed_once(anna: Reference) -> None:
    compute, cache = Computer(), LatentCache(b"model")
    assert cache.get(anna, compute) is cache.get(anna, compute)
    assert compute.calls == 1


def test_latents_survive_a_restart(anna: Reference) -> None:
    compute = Computer()
    first = LatentCache(b"model").get(anna, compute)
    second = LatentCache(b"model").get(anna, compute)
    assert compute.calls == 1
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_another_recording_gets_latents_of_its_own_and_the_old_ones_go(tmp_path: Path, anna: Reference) -> None:
    compute, cache = Computer(), LatentCache(b"model")
    cache.get(anna, compute)
    (tmp_path / "anna.b.0123456789abcdef.npz").touch()
    assert cache.get(record(tmp_path, b"b", time=2), compute).embedding[0, 0, 0] == ord("b")
    assert len(kept(tmp_path)) == 2
    assert "anna.b.0123456789abcdef.npz" in kept(tmp_path)


def test_another_model_gets_latents_of_its_own(anna: Reference) -> None:
    compute = Computer()
    LatentCache(b"model").get(anna, compute)
    LatentCache(b"fine-tuned").get(anna, compute)
    assert compute.calls == 2


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no archive", b"no archive"])
def test_damaged_latents_are_computed_anew(tmp_path: Path, anna: Reference, damage: bytes) -> None:
    compute = Computer()
    LatentCache(b"model").get(anna, compute)
    (tmp_path / kept(tmp_path)[0]).write_bytes(damage)
    LatentCache(b"model").get(anna, compute)
    LatentCache(b"model").get(anna, compute)
    assert compute.calls == 2


def test_latents_that_cannot_be_kept_are_used_all_the_same(
    tmp_path: Path, anna: Reference, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "replace", refuse)
    compute = Computer()
    assert LatentCache(b"model").get(anna, compute).embedding[0, 0, 0] == ord("a")
    assert "cannot be kept" in capsys.readouterr().err
    assert kept(tmp_path) == []


def test_recording_that_is_gone_is_a_fault_that_says_what_to_do(anna: Reference) -> None:
    anna.path.unlink()
    with pytest.raises(Fault, match="put it back"):
        LatentCache(b"model").get(anna, Computer())
