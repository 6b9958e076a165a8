from dataclasses import replace

import anyio
import numpy as np
import pytest

from app.errors import InvalidAudio, QueueFull
from app.fingerprint.catalogue import Catalogue
from app.fingerprint.fingerprinter import fingerprint
from app.fingerprint.follower import INDEX_POOL
from app.fingerprint.identifier import IDENTIFICATION_POOL, Identifier
from app.fingerprint.readers import Readers
from app.runtime.workers import Workers
from tests.audio.sound_files import write_sound
from tests.fingerprint.fake_store import FakeStore
from tests.fingerprint.music import tune
from tests.fingerprint.stores import new_track

pytestmark = pytest.mark.anyio

RATE, SECONDS = 22_050, 40.0


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def identifier(anyio_backend, tmp_path_factory):
    """Knows the tunes 1 to 5, under the same ids."""
    workers = Workers({INDEX_POOL: 2, IDENTIFICATION_POOL: 2})
    async with Readers(2) as readers, Catalogue(FakeStore(), tmp_path_factory.mktemp("index"), workers) as catalogue:
        for number in range(1, 6):
            sound = fingerprint(tune(number, seconds=SECONDS, sample_rate=RATE), sample_rate=RATE)
            new = replace(new_track(number, sound=sound.to_bytes(), title=f"Tune {number}"), duration=SECONDS)
            await catalogue.add([new])
        await catalogue.catch_up()
        yield Identifier(catalogue, readers, workers, at_once=2, waiting=1, max_seconds=200)


def cut(number, start, end):
    return tune(number, seconds=SECONDS, sample_rate=RATE)[round(start * RATE) : round(end * RATE)]


def file(folder, *pieces, codec="flac"):
    return write_sound(folder / f"mix.{codec}", np.concatenate(pieces), sample_rate=RATE, codec=codec)


def told(found):
    return [(sighting.track.title, sighting.cue.start, sighting.cue.end) for sighting in found.sightings]


async def test_a_clip_is_recognised_where_it_is_from(identifier, tmp_path):
    found = await identifier.identify(file(tmp_path, cut(3, 17.3, 22.3)), client="a")
    [sighting] = found.sightings
    assert (found.seconds, sighting.track.title) == (5.0, "Tune 3")
    assert sighting.cue.track_start == pytest.approx(17.3, abs=0.1)
    assert sighting.cue.track_end == pytest.approx(22.3, abs=0.3)
    assert sighting.cue.confidence > 0.999 and sighting.cue.similarity > 0.9


async def test_what_nobody_knows_is_not_recognised(identifier, tmp_path):
    noise = np.random.default_rng(1).normal(0, 0.1, 12 * RATE).astype(np.float32)
    for sound in (cut(99, 0.0, 12.0), noise, np.zeros(12 * RATE, np.float32)):
        assert (await identifier.identify(file(tmp_path, sound), client="a")).sightings == []


async def test_a_mix_gives_its_cues(identifier, tmp_path):
    pieces = [cut(2, 5.0, 30.0), cut(99, 0.0, 15.0), cut(4, 0.0, 33.0), cut(1, 10.0, 31.0)]
    found = await identifier.identify(file(tmp_path, *pieces, codec="mp3"), client="a")
    assert [title for title, _, _ in told(found)] == ["Tune 2", "Tune 4", "Tune 1"]
    for (_, start, end), wanted in zip(told(found), [(0, 25), (40, 73), (73, 94)], strict=True):
        assert (start, end) == pytest.approx(wanted, abs=1.0)


async def test_a_track_that_was_removed_meanwhile_is_left_out(identifier, tmp_path, monkeypatch):
    async def find(track_ids):
        return []

    monkeypatch.setattr(identifier._catalogue, "find", find)
    assert (await identifier.identify(file(tmp_path, cut(3, 0.0, 5.0)), client="a")).sightings == []


async def test_what_is_no_sound_is_refused(identifier, tmp_path):
    (tmp_path / "text").write_text("hello" * 100)
    with pytest.raises(InvalidAudio, match="not a sound file"):
        await identifier.identify(tmp_path / "text", client="a")
    with pytest.raises(InvalidAudio, match="longer than 200 s"):
        await identifier.identify(file(tmp_path, np.tile(cut(99, 0.0, 40.0), 6)), client="a")


async def test_few_wait_and_others_are_sent_away(identifier, tmp_path):
    path, outcomes = file(tmp_path, cut(3, 0.0, 5.0)), []

    async def ask(client):
        try:
            outcomes.append(len((await identifier.identify(path, client=client)).sightings))
        except QueueFull:
            outcomes.append("full")

    async with anyio.create_task_group() as group:
        for client in "abcd":
            group.start_soon(ask, client)
    assert sorted(outcomes, key=str) == [1, 1, 1, "full"]


async def test_who_leaves_frees_the_turn(identifier, tmp_path):
    path = file(tmp_path, cut(3, 0.0, 40.0), cut(99, 0.0, 40.0))
    with anyio.move_on_after(0.05):
        await identifier.identify(path, client="a")
    assert (identifier.line.running, identifier.line.waiting) == (0, 0)
    assert len((await identifier.identify(path, client="a")).sightings) == 1
