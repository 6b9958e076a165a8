import pytest

from app.fingerprint.calibration import CALIBRATED_SECONDS, DECADE
from app.fingerprint.certainty import certainty


def test_odds_of_a_second_are_what_they_are():
    assert certainty(12.0, 0.0, 50, CALIBRATED_SECONDS) == 12.0


def test_the_longer_the_evidence_the_more_it_must_say():
    assert certainty(12.0, 0.0, 200, CALIBRATED_SECONDS) == pytest.approx(12 / 4**0.6)
    assert certainty(12.0, 0.0, 25, CALIBRATED_SECONDS) == pytest.approx(12 * 2**0.6)


def test_hardly_any_peaks_are_taken_for_some():
    assert certainty(5.0, 0.0, 0, 1.0) == certainty(5.0, 0.0, 10, 1.0)


def test_most_of_what_chance_has_does_not_count():
    assert certainty(12.0, 4.0, 50, CALIBRATED_SECONDS) == 9.0


def test_a_larger_catalogue_has_more_chances():
    smaller, larger = (certainty(12.0, 0.0, 50, seconds) for seconds in (1.0, 100 * CALIBRATED_SECONDS))
    assert smaller == 12.0
    assert larger == pytest.approx(12 - 2 * DECADE)
