import os
from dataclasses import replace

import anyio
import pytest

from app.errors import Unavailable
from app.fingerprint.ingest import Ingest
from app.fingerprint.intake import Intake, hash_of
from app.fingerprint.labels import Labels
from app.fingerprint.readers import Readers
from app.fingerprint.sources import Flaw, Source, find
from app.fingerprint.store import Page
from app.runtime.workers import FILES_POOL, Workers
from tests.audio.signals import chirp
from tests.audio.sound_files import write_sound
from tests.fingerprint.fake_store import FakeStore
from tests.fingerprint.stores import new_track

pytestmark = pytest.mark.anyio

RATE = 8000


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def readers(anyio_backend):
    """The processes are started once."""
    async with Readers(2, program="tests.fingerprint.reader_program") as readers:
        yield readers


class Taking:
    """A store, and what takes files into it."""

    def __init__(self, readers):
        self.store = FakeStore()
        self.steps = []
        self.intake = Intake(self.store, readers, Workers({FILES_POOL: 2}), max_seconds=60, clock=lambda: 1.5)

    async def take(self, *sources):
        ingest = Ingest(self.intake, self.store, on_step=lambda report: self.steps.append(report.done))
        return await ingest.run(sources)

    async def tracks(self):
        return {track.title: track for track in (await self.store.list_tracks(Page())).tracks}


@pytest.fixture
def taking(readers):
    return Taking(readers)


def song(folder, number=1, *, name=None, seconds=2.0, codec="pcm_s16le", **tags):
    folder.mkdir(exist_ok=True)
    sound = chirp(seconds + number, RATE)
    return write_sound(folder / (name or f"{number}.wav"), sound, sample_rate=RATE, codec=codec, **tags)


async def test_a_folder_is_taken_in(tmp_path, taking):
    for number in range(1, 8):
        song(tmp_path, number)
    report = await taking.take(*find([tmp_path]))
    assert (len(report.added), report.known, report.flaws, report.seconds) == (7, 0, [], 42.0)
    tracks = await taking.tracks()
    assert sorted(tracks) == [str(number) for number in range(1, 8)]
    assert tracks["3"] == replace(tracks["3"], duration=5.0, added_ms=1500, content_hash=hash_of(tmp_path / "3.wav"))
    assert sorted(taking.steps) == list(range(1, 8))


async def test_a_second_run_listens_to_nothing(tmp_path, taking):
    song(tmp_path, 1)
    await taking.take(*find([tmp_path]))
    song(tmp_path / "more", 2)
    generation = taking.store.generation
    report = await taking.take(*find([tmp_path]))
    assert (len(report.added), report.known, report.seconds) == (1, 1, 4.0)
    assert taking.store.generation == generation + 1


async def test_a_copy_under_another_name_is_known(tmp_path, taking):
    (tmp_path / "copy.wav").write_bytes(song(tmp_path, 1).read_bytes())
    report = await taking.take(*find([tmp_path]))
    assert (len(report.added), report.known, report.done) == (1, 1, 2)


async def test_titles_are_those_that_were_said_then_tags_then_names(tmp_path, taking):
    tags = {"title": "Song", "artist": "Ann"}
    files = [
        song(tmp_path, 1, **tags),
        song(tmp_path, 2, title="Alone"),
        song(tmp_path, 3, artist="Ann", name="b c.wav"),
    ]
    said = Source(song(tmp_path, 4, **tags), Labels(title="Said", video_id="x"))
    await taking.take(*map(Source, files), said)
    assert set(await taking.tracks()) == {"Ann - Song", "Alone", "b c", "Said"}


async def test_new_labels_of_a_known_file_are_kept(tmp_path, taking):
    path = song(tmp_path, 1)
    await taking.take(Source(path, Labels("x", "One", "http://a/")))
    report = await taking.take(Source(path, Labels(title="Two")))
    [track] = (await taking.tracks()).values()
    assert (report.known, report.relabelled, track.labels) == (1, 1, Labels("x", "Two", "http://a/"))
    report = await taking.take(Source(path), Source(path, Labels(title="Two")))
    assert (report.known, report.relabelled) == (2, 0)


async def test_an_older_fingerprint_is_renewed(tmp_path, taking):
    path = song(tmp_path, 1)
    await taking.store.add([replace(new_track(1, version=0, title="Old"), content_hash=hash_of(path))])
    report = await taking.take(Source(path))
    [track] = (await taking.tracks()).values()
    assert (report.renewed, report.added, track.title, track.version) == ([track.id], [], "Old", 1)


async def test_what_cannot_be_taken_in_spares_the_others(tmp_path, taking):
    (tmp_path / "text.mp3").write_text("hello" * 100)
    short = write_sound(tmp_path / "short.wav", chirp(0.5, RATE), sample_rate=RATE, codec="pcm_s16le")
    silent = write_sound(tmp_path / "silent.wav", 0 * chirp(2.0, RATE), sample_rate=RATE, codec="pcm_s16le")
    long = song(tmp_path, 1, seconds=70.0)
    sources = [Source(path) for path in (tmp_path / "text.mp3", short, silent, long, tmp_path / "none.wav")]
    report = await taking.take(Flaw("list.csv, line 2", "it names no file"), *sources, Source(song(tmp_path, 2)))
    reasons = {flaw.where.rpartition("/")[2]: flaw.reason for flaw in report.flaws}
    assert reasons["text.mp3"].startswith("it is not a sound file")
    assert reasons["short.wav"].endswith("too little in it to recognise it by: 25 peaks in 0.5 s")
    assert reasons["silent.wav"] == "it ended the process that read it"
    assert reasons["1.wav"] == "the sound is longer than 60 s"
    assert reasons["none.wav"].startswith("it cannot be read: No such file")
    assert reasons["list.csv, line 2"] == "it names no file"
    assert (len(report.added), report.done, report.total) == (1, 7, 7)


async def test_a_name_that_is_taken_is_a_flaw(tmp_path, taking):
    first = Source(song(tmp_path, 1), Labels("x", "One"))
    second, third = Source(song(tmp_path, 2), Labels("x")), Source(song(tmp_path, 3))
    await taking.take(first, third)
    report = await taking.take(second, Source(third.path, Labels("x")))
    assert {flaw.reason for flaw in report.flaws} == {
        "video_id 'x' is another track's: 'One'",
        "video_id",  # the fake's words
    }


async def test_damage_is_told(tmp_path, taking):
    path = song(tmp_path, 1, name="a.mp3", codec="mp3", seconds=10.0)
    data = path.read_bytes()
    path.write_bytes(data[:8000] + os.urandom(4000) + data[12000:])
    report = await taking.take(Source(path))
    assert len(report.added) == 1
    assert [flaw.where for flaw in report.damaged] == [str(path)]


async def test_an_outage_ends_the_run(tmp_path, taking, monkeypatch):
    async def fail(tracks):
        raise Unavailable("no database")

    monkeypatch.setattr(taking.store, "add", fail)
    with pytest.raises(Unavailable, match="no database"):
        await taking.take(*(Source(song(tmp_path, number)) for number in range(1, 6)))


async def test_a_run_that_is_cancelled_keeps_what_it_kept(tmp_path, taking):
    sources = [Source(song(tmp_path, number)) for number in range(1, 6)]
    with anyio.CancelScope() as scope:
        taking.intake._clock = lambda: (scope.cancel() if len(taking.store.rows) >= 2 else None) or 1.5
        await taking.take(*sources)
    kept = len(taking.store.rows)
    report = await taking.take(*sources)
    assert 2 <= kept < 5
    assert (report.known, len(report.added)) == (kept, 5 - kept)
