import os
from email.utils import formatdate
from urllib.parse import quote

import httpx
import pytest

from tests.api.telephony.door import door

pytestmark = pytest.mark.anyio

DATA = bytes(range(256)) * 1_000
NAME = "two words ♪.MP3"
URL = f"/audio/{quote(NAME)}"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / NAME).write_bytes(DATA)
    os.utime(tmp_path / "files" / NAME, (1_700_000_000, 1_700_000_000))
    (tmp_path / "files" / "notes.txt").write_bytes(b"notes")
    (tmp_path / "secret.mp3").write_bytes(b"secret")
    (tmp_path / "files" / "out.mp3").symlink_to(tmp_path / "secret.mp3")
    return tmp_path / "files"


@pytest.fixture
async def client(folder):
    async with door(folder) as live, httpx.AsyncClient(base_url=live.url) as client:
        yield client


async def test_a_file_comes_whole_and_says_what_it_is(client):
    answer = await client.get(URL)
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["last-modified"] == formatdate(1_700_000_000, usegmt=True)
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-disposition"] == f"inline; filename*=utf-8''{quote(NAME)}"


async def test_head_says_the_same_without_the_file(client):
    whole, head = await client.get(URL), await client.head(URL)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "last-modified"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("range", "part"),
    [
        ("bytes=0-0", DATA[:1]),
        ("bytes=100-299", DATA[100:300]),
        ("bytes=255990-", DATA[255_990:]),
        ("bytes=-5", DATA[-5:]),
    ],
)
async def test_ranges_come_alone(client, range, part):
    answer = await client.get(URL, headers={"Range": range})
    assert (answer.status_code, answer.content) == (206, part)
    assert answer.headers["content-range"].endswith(f"/{len(DATA)}")


async def test_a_range_beyond_the_end_is_refused(client):
    answer = await client.get(URL, headers={"Range": f"bytes={len(DATA)}-"})
    assert answer.status_code == 416


async def test_a_range_of_another_version_comes_whole(client):
    answer = await client.get(URL, headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert (answer.status_code, answer.content) == (200, DATA)


async def test_who_has_a_file_does_not_get_it_again(client, folder):
    tag = (await client.get(URL)).headers["etag"]
    for headers in (
        {"If-None-Match": tag},
        {"If-None-Match": f'"x", W/{tag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": formatdate(1_700_000_000, usegmt=True)},
        {"If-Modified-Since": formatdate(1_800_000_000, usegmt=True)},
    ):
        answer = await client.get(URL, headers=headers)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    for headers in (
        {"If-None-Match": '"x"'},
        {"If-None-Match": '"x"', "If-Modified-Since": formatdate(1_800_000_000, usegmt=True)},
        {"If-Modified-Since": formatdate(1_600_000_000, usegmt=True)},
        {"If-Modified-Since": "yesterday"},
    ):
        assert (await client.get(URL, headers=headers)).status_code == 200
    (folder / NAME).write_bytes(b"new")
    assert (await client.get(URL, headers={"If-None-Match": tag})).content == b"new"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("missing.mp3", 404),
        ("notes.txt", 400),
        ("out.mp3", 400),
        ("%2e%2e", 400),
        ("..%5csecret.mp3", 400),
        ("a%00.mp3", 400),
        ("..%2fsecret.mp3", 404),
        (".hidden.mp3", 400),
    ],
)
async def test_other_names_are_refused(client, path, status):
    answer = await client.get(f"/audio/{path}")
    assert answer.status_code == status
    assert answer.json()["detail"]


async def test_files_are_listed(client):
    assert (await client.get("/audio")).json() == {
        "files": [
            {
                "filename": NAME,
                "format": "mp3",
                "size_bytes": len(DATA),
                "modified_at": "2023-11-14T22:13:20Z",
                "url": URL,
                "play_url": f"/ws/play/{quote(NAME)}",
            }
        ]
    }
