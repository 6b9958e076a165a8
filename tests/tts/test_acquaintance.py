import pytest

from app.tts import acquaintance
from app.tts.acquaintance import BACKEND_SECONDS, UNKNOWN_LUFS, UNKNOWN_SECONDS, VOICE_SECONDS, Acquaintance, Impression
from tests.tts.buzz import voice


def test_a_new_voice_is_taken_for_the_others_of_its_backend():
    known = Acquaintance()
    known.learn(voice("a"), Impression(-28.0, 5.0))
    assert known.expect(voice("b")) == Impression(-28.0, BACKEND_SECONDS)
    assert known.expect(voice("a")) == Impression(-28.0, VOICE_SECONDS)
    assert known.expect(voice("a", "other")) == Impression(UNKNOWN_LUFS, UNKNOWN_SECONDS)


def test_a_voice_that_changes_is_learned_anew():
    known = Acquaintance()
    known.learn(voice(), Impression(-28.0, 1000.0, peak=-3.0, drive=2.0))
    for _ in range(30):
        known.learn(voice(), Impression(-18.0, 4.0, peak=-9.0))
    now = known.expect(voice())
    assert now.lufs == pytest.approx(-18, abs=0.5)
    assert now.peak == pytest.approx(-9, abs=0.5)
    assert now.drive == pytest.approx(0, abs=0.2)


def test_lines_that_are_not_listened_to_are_counted_until_one_is():
    known = Acquaintance()
    assert [known.skip(voice()) for _ in range(3)] == [1, 2, 3]
    known.learn(voice(), Impression(-20.0, 5.0))
    assert known.skip(voice()) == 1


def test_no_more_voices_are_remembered_than_have_room(monkeypatch):
    monkeypatch.setattr(acquaintance, "MAX_VOICES", 2)
    known = Acquaintance()
    for name in "aba":
        known.learn(voice(name), Impression(-20.0, 5.0))
    known.learn(voice("c"), Impression(-30.0, 5.0))
    assert [known.voice(voice(name)) is not None for name in "abc"] == [True, False, True]
