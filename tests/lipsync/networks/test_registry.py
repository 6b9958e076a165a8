from pathlib import Path

import pytest

from app.lipsync.networks.registry import FILES, FOLDER, PLANS, find_checkpoint


def test_every_network_has_files() -> None:
    assert FILES.keys() == PLANS.keys() == {"wav2lip", "nota_wav2lip"}


@pytest.mark.parametrize("name", PLANS)
def test_checkpoints_are_found_by_their_published_names(tmp_path: Path, name: str) -> None:
    assert find_checkpoint(tmp_path, name) is None
    (tmp_path / FOLDER).mkdir()
    for file in reversed(FILES[name]):
        (tmp_path / FOLDER / file).touch()
        assert find_checkpoint(tmp_path, name) == tmp_path / FOLDER / file
