from app.fingerprint.labels import Labels
from tests.fingerprint.stores import new_track


def test_a_track_is_kept_under_the_labels_that_it_came_with():
    kept = new_track(1, video_id="x", title="One", url="http://a/").kept_as(5)
    assert (kept.id, kept.labels) == (5, Labels("x", "One", "http://a/"))


def test_a_track_without_a_title_is_shown_by_its_name():
    assert new_track(1, video_id="x").kept_as(5).title == "x"
