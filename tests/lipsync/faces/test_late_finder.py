from app.lipsync.faces.late_finder import LateFinder
from app.lipsync.picture import read_picture
from tests.lipsync.performers import OneFace, png


def test_a_finder_is_made_once_and_late():
    made = []

    def make():
        made.append(OneFace())
        return made[-1]

    finder, picture = LateFinder(make), read_picture(png())
    assert made == []
    assert len(finder.find(picture)) == len(finder.find(picture)) == 1
    assert [each.looked for each in made] == [2]


def test_a_face_is_followed_by_the_finder_that_is_made():
    finder, picture = LateFinder(OneFace), read_picture(png())
    (face,) = finder.find(picture)
    assert finder.follow(picture, face) is face
