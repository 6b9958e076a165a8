from app.api.stream.cue_file import encode_cue
from app.fingerprint.cues import Cue
from app.fingerprint.identifier import Sighting
from tests.fingerprint.stores import new_track


def sighting(number, start, end, *, score=9.0, **labels):
    track = new_track(number, **{"title": f"Title {number}", **labels}).kept_as(number)
    return Sighting(Cue(number, start, end, 0.0, 1.0, score, 0.9, 0.8), track)


def titles(*sightings):
    return [line.split('"')[1] for line in encode_cue(sightings, file_name="a").splitlines() if "TITLE" in line]


def test_a_sheet_is_what_players_read():
    sheet = encode_cue(
        [sighting(1, 0.0, 61.6, url="https://a/"), sighting(2, 61.6, 200.0, title='"Two" by\u5c0f\u660e')],
        file_name="my mix.mp3",
    )
    assert sheet.splitlines() == [
        'FILE "my mix.mp3" MP3',
        "  TRACK 01 AUDIO",
        '    TITLE "Title 1"',
        "    REM URL https://a/",
        "    INDEX 01 00:00:00",
        "  TRACK 02 AUDIO",
        "    TITLE \"'Two' by\u5c0f\u660e\"",
        "    INDEX 01 01:01:45",
    ]
    assert sheet.endswith("\r\n")


def test_hours_are_minutes():
    assert "INDEX 01 125:00:15" in encode_cue([sighting(1, 7500.2, 7600.0)], file_name="a.ogg")


def test_of_what_is_heard_together_the_surest_is_told():
    assert titles(sighting(1, 0, 60), sighting(2, 0, 60, score=20)) == ["Title 2"]
    assert titles(sighting(1, 0, 60, score=20), sighting(2, 20, 30), sighting(3, 50, 100)) == ["Title 1", "Title 3"]


def test_no_sheet_has_more_tracks_than_it_can_number():
    assert len(titles(*(sighting(number, 10 * number, 10 * number + 10) for number in range(150)))) == 99


def test_nothing_heard_is_a_sheet_without_tracks():
    assert encode_cue([], file_name="a.wav") == 'FILE "a.wav" WAVE\r\n'
