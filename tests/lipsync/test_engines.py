import os

import pytest

from app.errors import InvalidInput, Unavailable
from app.lipsync.engines import engines_of
from app.lipsync.networks.registry import FILES, FOLDER


def test_the_embedded_engine_and_the_networks_can_be_asked_for(tmp_path):
    engines = engines_of(tmp_path)
    assert engines.names == ["warp", "nota_wav2lip", "wav2lip"]
    assert engines.choose("warp").engine.name == "warp"
    assert engines.choose("warp").fallback_reason is None


@pytest.mark.parametrize("name", ["nota_wav2lip", "wav2lip"])
def test_a_network_without_weights_is_replaced_and_why_is_said(tmp_path, name):
    chosen = engines_of(tmp_path).choose(name)
    assert chosen.engine.name == "warp"
    assert f"{name} has no weights" in str(chosen.fallback_reason)


def test_weights_that_come_later_are_looked_at_and_broken_ones_only_once(tmp_path):
    engines = engines_of(tmp_path)
    engines.choose("nota_wav2lip")
    path = tmp_path / FOLDER / FILES["nota_wav2lip"][0]
    path.parent.mkdir()
    path.write_bytes(b"<html>")

    broken = engines.choose("nota_wav2lip").fallback_reason

    assert broken and "no weights" not in broken
    status = path.stat()
    path.write_bytes(b"<HTML>")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert engines.choose("nota_wav2lip").fallback_reason == broken


def test_who_can_draw_is_known_before_anybody_is_loaded(tmp_path):
    engines = engines_of(tmp_path)
    lacking = {name: f"{name} has no weights" for name in ("nota_wav2lip", "wav2lip")}
    assert engines.troubles == {"warp": None} | lacking
    path = tmp_path / "lipsync" / "lrs3-nota-wav2lip.pth"
    path.parent.mkdir()
    path.write_bytes(b"<html>")
    assert engines.troubles["nota_wav2lip"] is None
    told = engines.choose("nota_wav2lip").fallback_reason
    assert engines.troubles["nota_wav2lip"] == told and str(tmp_path) not in told


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(InvalidInput) as caught:
        engines_of(tmp_path).choose("gan")
    assert caught.value.field == "model_type"


def test_nobody_but_a_network_draws_into_a_film_and_what_is_missing_is_said(tmp_path):
    engines = engines_of(tmp_path)
    with pytest.raises(Unavailable, match="a video needs nota_wav2lip or wav2lip"):
        engines.choose_for_film("warp")
    with pytest.raises(Unavailable, match=r"a video needs a network, and wav2lip has no weights \(.*\.pth"):
        engines.choose_for_film("wav2lip")
    with pytest.raises(InvalidInput, match="unknown"):
        engines.choose_for_film("other")
