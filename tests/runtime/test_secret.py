import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.errors import InvalidInput
from app.runtime.secret import load_secret

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")


def test_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret"
    first = load_secret(path)
    assert len(first) == 32
    assert load_secret(path) == first == path.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


@posix
def test_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    old_mask = os.umask(0)
    try:
        load_secret(path)
    finally:
        os.umask(old_mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@posix
def test_secret_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"k" * 40)
    path.chmod(0o644)
    assert load_secret(path) == b"k" * 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secret_that_is_too_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"short")
    with pytest.raises(InvalidInput, match="5 bytes"):
        load_secret(path)


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / str(number)
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(load_secret, [path] * 8))) == 1


def test_a_secret_that_appears_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    link = os.link

    def other_process_first(source: Path, target: Path) -> None:
        path.write_bytes(b"o" * 32)
        link(source, target)

    monkeypatch.setattr(os, "link", other_process_first)
    assert load_secret(path) == b"o" * 32
