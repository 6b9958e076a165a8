import sys
from pathlib import Path

import numpy as np
import pytest

from app.errors import Unavailable
from app.lipsync.batches import Batches
from app.lipsync.generator import Generator, load, missing
from app.lipsync.networks.registry import FOLDER
from app.lipsync.networks.runtime import Runtime
from tests.lipsync.test_batches import Device, Numbers, windows


def generator(device: Device) -> Generator[Numbers]:
    prepare = lambda faces: Numbers(tuple(faces[:, 0, 0, 0].tolist()))  # noqa: E731
    return Generator(Runtime("fake", "cpu", "float32", 48, prepare, Batches(device.run, largest=8)))


def faces(*values: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    made = np.zeros((len(values), 96, 96, 3), np.uint8)
    made[:, 0, 0, 0] = values
    return made


def test_the_same_sound_is_drawn_once_with_one_face() -> None:
    device = Device()
    made = generator(device)
    twice = np.concatenate((windows(3), windows(3)))
    assert made.draw(twice, made.prepare(faces(10))).ravel().tolist() == [10, 11, 12] * 2
    assert device.batches == [[3]]


def test_a_video_has_a_face_for_each_frame() -> None:
    made = generator(Device())
    assert made.draw(windows(3), made.prepare(faces(10, 20, 30))).ravel().tolist() == [10, 21, 32]


def test_no_windows_give_no_frames() -> None:
    made = generator(Device())
    assert made.draw(windows(0), made.prepare(faces(1))).shape == (0, 48, 96, 3)


def test_other_pictures_than_faces_are_refused() -> None:
    with pytest.raises(ValueError, match="must be uint8"):
        generator(Device()).prepare(np.zeros((1, 64, 64, 3), np.uint8))


def test_missing_weights_are_told_with_what_to_do_and_where_to_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Unavailable, match=r"no weights .*: run `scripts/download_models nota_wav2lip`") as caught:
        load(tmp_path, "nota_wav2lip")
    assert str(tmp_path) not in str(caught.value) and str(tmp_path) in caplog.text
    assert missing(tmp_path) == ["nota_wav2lip", "wav2lip"]


def test_missing_torch_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "lrs3-nota-wav2lip.pth").touch()
    monkeypatch.setitem(sys.modules, "app.lipsync.networks.loading", None)
    with pytest.raises(Unavailable, match="install the extra `lipsync`"):
        load(tmp_path, "nota_wav2lip")
