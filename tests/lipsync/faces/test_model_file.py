from app.lipsync.faces.model_file import CHECKSUMS, missing


def test_what_is_missing_is_told_without_its_folder(tmp_path):
    names = list(CHECKSUMS)
    assert missing(tmp_path / "none").startswith(f"{names[0]} and {names[1]} missing")
    (tmp_path / names[0]).touch()
    assert missing(tmp_path).startswith(f"{names[1]} missing") and str(tmp_path) not in missing(tmp_path)
    (tmp_path / names[1]).touch()
    assert missing(tmp_path) is None
