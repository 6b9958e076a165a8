"""Which finder of faces the settings choose, and what it lacks."""

import pytest

from app.assembly.lipsync import build_finder, faces_trouble
from app.errors import Unavailable
from app.lipsync.faces import face_alignment
from app.lipsync.faces.finder import Finder
from app.settings import Settings


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(_env_file=None, models_dir=tmp_path, lipsync_faces="face-alignment")


def test_without_its_package_face_alignment_says_how_to_install_it(settings, monkeypatch):
    monkeypatch.setattr(face_alignment, "find_spec", lambda _: None)
    with pytest.raises(Unavailable, match="face-alignment is not installed"):
        build_finder(settings)
    assert "face-alignment is not installed" in faces_trouble(settings)


def test_without_its_weights_it_says_which_are_missing_and_not_where(settings, monkeypatch):
    monkeypatch.setattr(face_alignment, "find_spec", lambda _: "there")
    trouble = faces_trouble(settings)
    assert all(name in trouble for name in (face_alignment.DETECTOR, face_alignment.POINTS))
    assert str(settings.models_dir) not in trouble
    with pytest.raises(Unavailable, match="download_models face-alignment"):
        build_finder(settings)


def test_nobody_misses_it_who_has_not_asked_for_it(settings):
    chosen = settings.model_copy(update={"lipsync_faces": "mesh"})
    assert isinstance(build_finder(chosen), Finder)
    assert "face-alignment" not in faces_trouble(chosen)
