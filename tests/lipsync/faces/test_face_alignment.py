import hashlib

import pytest

from app.errors import Corrupt, Unavailable
from app.lipsync.faces import face_alignment
from app.lipsync.faces.face_alignment import DETECTOR, POINTS, FaceAlignmentFinder


def test_without_the_package_it_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(face_alignment, "find_spec", lambda _: None)
    with pytest.raises(Unavailable, match=r"pip install 'chorus-live\[face-alignment\]'"):
        FaceAlignmentFinder(tmp_path)


def test_without_weights_it_says_which_are_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(face_alignment, "find_spec", lambda _: "there")
    with pytest.raises(Unavailable, match=f"{DETECTOR} and no {POINTS}: run `scripts/download_models face-alignment`"):
        FaceAlignmentFinder(tmp_path)


def test_damaged_weights_are_not_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(face_alignment, "find_spec", lambda _: "there")
    for name in (DETECTOR, POINTS):
        (tmp_path / name).write_bytes(b"<html>")
    found = hashlib.sha256(b"<html>").hexdigest()[:10]
    with pytest.raises(Corrupt, match=f"begins with {found}, not 619a316812"):
        FaceAlignmentFinder(tmp_path)
