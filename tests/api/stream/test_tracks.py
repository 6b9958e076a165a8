import io
import tarfile

import pytest

from app.errors import Unavailable
from app.fingerprint.readers import Readers
from tests.api.stream.shelf import shelf
from tests.audio.signals import chirp
from tests.audio.sound_files import write_sound
from tests.eventually import eventually
from tests.fingerprint.indexes import compile_kernels
from tests.wire import wire

pytestmark = pytest.mark.anyio

TRACKS = "/api/v1/tracks"


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True, scope="module")
def compiled_kernels(tmp_path_factory):
    compile_kernels(tmp_path_factory.mktemp("index"))


@pytest.fixture(scope="module")
async def readers(anyio_backend):
    """The processes are started once."""
    async with Readers(2, program="tests.fingerprint.reader_program") as readers:
        yield readers


@pytest.fixture
async def desk(tmp_path, readers):
    async with shelf(tmp_path, readers) as desk:
        yield desk


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """Return the bytes of a song by its number."""
    folder = tmp_path_factory.mktemp("songs")

    def make(number=1, **tags):
        path = folder / f"{number}.flac"
        return write_sound(path, chirp(10.0 + number, 22_050), sample_rate=22_050, codec="flac", **tags).read_bytes()

    return make


async def upload(desk, song, **labels):
    answer = await desk.admin.post(TRACKS, content=song, params=labels)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def test_a_file_becomes_a_track(desk, song):
    answer = await desk.admin.post(
        TRACKS, files={"file": ("night song.flac", song())}, data={"video_id": "abc", "url": "https://a/"}
    )
    assert answer.status_code == 201
    told = answer.json()
    assert told | {"content_hash": ""} == {
        "id": 1,
        "video_id": "abc",
        "title": "night song",
        "url": "https://a/",
        "thumbnail_url": None,
        "duration": 11.0,
        "content_hash": "",
        "fingerprint_version": 1,
        "added_at": "1970-01-01T00:00:01.500Z",
        "outcome": "added",
        "damage": None,
        "near_duplicates": [],
    }
    assert (await desk.admin.get(f"{TRACKS}/1")).json() == {
        name: told[name] for name in told.keys() - {"outcome", "damage", "near_duplicates"}
    }
    assert list(desk.uploads.iterdir()) == []


async def test_a_body_that_is_the_file_does_as_well(desk, song):
    told = await upload(desk, song(2, title="Song", artist="Ann"), video_id="x")
    assert (told["title"], told["video_id"]) == ("Ann - Song", "x")
    assert (await upload(desk, song(3), title="Said", filename="b.mp3"))["title"] == "Said"
    assert (await upload(desk, song(4), filename="c d.mp3"))["title"] == "c d"


async def test_the_same_file_again_is_the_same_track(desk, song):
    first = await upload(desk, song(), title="One")
    again = await desk.admin.post(TRACKS, content=song(), params={"url": "http://a/"})
    assert (again.status_code, again.json()["outcome"]) == (200, "known")
    assert again.json() | {"outcome": "", "url": None} == first | {"outcome": ""}
    assert again.json()["url"] == "http://a/"


async def test_near_duplicates_are_told(desk, song, monkeypatch):
    first = await upload(desk, song(1))
    second = await upload(desk, song(1) + b"\0")
    assert second["outcome"] == "added"
    assert second["near_duplicates"] == [{"id": first["id"], "seconds": 11.0, "share": 1.0, "offset": 0.0}]
    told = (await desk.admin.get(f"{TRACKS}/{first['id']}/duplicates")).json()
    assert told == [{"id": second["id"], "seconds": 11.0, "share": 1.0, "offset": 0.0}]

    async def fail(track_id):
        raise Unavailable("still being opened")

    monkeypatch.setattr(desk.catalogue, "likenesses", fail)
    assert (await upload(desk, song(2)))["near_duplicates"] is None


@pytest.mark.parametrize(
    ("content", "labels", "status", "told"),
    [
        (b"hello" * 100, {}, 422, "it is not a sound file"),
        (b"", {}, 422, "the file is empty"),
        (None, {"url": "javascript:x"}, 422, "must begin with http"),
        (None, {"title": "x" * 1001}, 422, "title of 1001 characters"),
        (None, {"video_id": "taken"}, 409, "video_id 'taken' is another track's"),
    ],
)
async def test_what_cannot_be_taken_in_is_refused(desk, song, content, labels, status, told):
    await upload(desk, song(1), video_id="taken")
    answer = await desk.admin.post(TRACKS, content=song(2) if content is None else content, params=labels)
    assert answer.status_code == status and told in answer.json()["detail"]
    assert (await desk.admin.get(TRACKS)).json()["total"] == 1
    assert list(desk.uploads.iterdir()) == []


async def test_tracks_are_listed_in_pages(desk, song):
    for number in range(1, 6):
        await upload(desk, song(number), title=f"Title {number}", video_id=f"v{number}")
    page = (await desk.admin.get(TRACKS, params={"page": 2, "per_page": 2})).json()
    assert [track["id"] for track in page["data"]] == [3, 2]
    assert {name: page[name] for name in ("total", "page", "per_page", "total_pages")} == {
        "total": 5, "page": 2, "per_page": 2, "total_pages": 3,
    }  # fmt: skip
    for query, found in ({"text": "title 4"}, [4]), ({"video_id": "v2"}, [2]), ({"content_hash": "x"}, []):
        told = (await desk.admin.get(TRACKS, params=query)).json()
        assert ([track["id"] for track in told["data"]], told["total"]) == (found, len(found))
    assert (await desk.admin.get(TRACKS, params={"per_page": 0})).status_code == 422


async def test_labels_are_changed(desk, song):
    await upload(desk, song(), title="One", url="http://a/", video_id="x")
    answer = await desk.admin.patch(f"{TRACKS}/1", json={"title": "Two", "url": None})
    told = answer.json()
    assert (answer.status_code, told["title"], told["url"], told["video_id"]) == (200, "Two", None, "x")
    await upload(desk, song(2), video_id="y")
    for body, status in (({"video_id": "y"}, 409), ({"title": ""}, 422), ({"url": "x"}, 422), ({"bpm": 1}, 422)):
        assert (await desk.admin.patch(f"{TRACKS}/1", json=body)).status_code == status
    assert (await desk.admin.patch(f"{TRACKS}/1", json={})).json() == told


async def test_a_track_is_removed(desk, song):
    await upload(desk, song())
    assert (await desk.admin.delete(f"{TRACKS}/1")).status_code == 204
    assert desk.catalogue.index().figures().tracks == 0
    for method in ("GET", "DELETE"):
        answer = await desk.admin.request(method, f"{TRACKS}/1")
        assert (answer.status_code, answer.json()) == (404, {"detail": "track 1 does not exist"})
    for path in ("1/duplicates", f"{10**30}"):
        assert (await desk.admin.get(f"{TRACKS}/{path}")).status_code == 404
    assert (await desk.admin.patch(f"{TRACKS}/1", json={})).status_code == 404


async def test_everything_is_counted(desk, song):
    await upload(desk, song())
    told = (await desk.admin.get(f"{TRACKS}/stats")).json()
    assert (told["total_tracks"], told["total_duration_hours"], told["in_step"]) == (1, 0.0031, True)
    assert (told["versions"], told["current_version"], told["index"]["tracks"]) == ({"1": 1}, 1, 1)
    assert told["fingerprint_bytes"] > 0 and told["index"]["postings"] > 0


async def test_the_index_is_made_anew(desk, song):
    await upload(desk, song())
    epoch = desk.catalogue.index().view().epoch
    assert (await desk.admin.post(f"{TRACKS}/reindex")).status_code == 202
    await eventually(lambda: desk.catalogue.index().view().epoch > epoch)
    await eventually(lambda: desk.catalogue.index().figures().tracks == 1)


async def test_a_catalogue_is_exported_and_imported(desk, song, tmp_path, readers):
    for number in (1, 2):
        await upload(desk, song(number), title=f"Title {number}")
    exported = await desk.admin.get(f"{TRACKS}/export")
    assert exported.headers["content-type"] == "application/x-tar"
    assert "chorus-catalogue.tar" in exported.headers["content-disposition"]
    with tarfile.open(fileobj=io.BytesIO(exported.content)) as archive:
        assert len(archive.getnames()) == 6
    async with shelf(tmp_path / "other", readers) as other:
        for added, known in ((2, 0), (0, 2)):
            told = (await other.admin.post(f"{TRACKS}/import", content=exported.content)).json()
            assert told == {"added": added, "known": known, "renewed": 0, "flaws": []}
        assert other.catalogue.index().figures().tracks == 2
        told = await other.admin.post(f"{TRACKS}/import", files={"file": ("all.tar", exported.content[:5000])})
        assert told.status_code == 422
        assert list(other.uploads.iterdir()) == []


async def test_an_export_that_breaks_off_is_not_taken_for_a_whole_one(desk, song, monkeypatch):
    await upload(desk, song())

    async def fail(ids):
        raise Unavailable("no database")

    monkeypatch.setattr(desk.store, "fingerprints", fail)
    with pytest.raises(Exception, match="peer closed connection without sending complete message body"):
        await desk.admin.get(f"{TRACKS}/export")


ROUTES = [
    ("GET", ""), ("POST", ""), ("GET", "/stats"), ("POST", "/reindex"), ("GET", "/export"), ("POST", "/import"),
    ("GET", "/1"), ("PATCH", "/1"), ("DELETE", "/1"), ("GET", "/1/duplicates"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_the_catalogue_is_for_administrators(desk, method, path):
    refused = await desk.user.request(method, TRACKS + path)
    unknown = await desk.stranger.request(method, TRACKS + path)
    assert (refused.status_code, unknown.status_code) == (403, 401)
    assert unknown.json() == {"detail": "Could not validate credentials"}


async def test_strangers_are_refused_before_they_send_a_file(desk):
    async with wire(desk.live.port) as client:
        await client.send(f"POST {TRACKS} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n".encode())
        assert b" 401 " in await client.read_head()
    assert not desk.uploads.exists()
