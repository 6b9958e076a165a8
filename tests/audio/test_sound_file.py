import av
import numpy as np
import pytest

from app.audio import sound_file, wav
from app.audio.sound_file import SoundFile, Tags
from app.errors import InvalidAudio, NotFound
from tests.audio.signals import chirp, chirp_pcm, delay, likeness
from tests.audio.sound_files import write_sound

RATE = 11_025
KINDS = [
    ("song.mp3", "mp3", 44_100),
    ("song.ogg", "libopus", 16_000),
    ("song.opus", "libopus", 48_000),
    ("song.flac", "flac", 96_000),
    ("song.m4a", "aac", 44_100),
    ("song.aac", "aac", 22_050),
    ("song.webm", "libopus", 48_000),
    ("song.mka", "pcm_s16le", 44_100),
    ("song.wav", "pcm_s24le", 8_000),
    ("song.aiff", "pcm_s16be", 22_050),
    ("song.au", "pcm_mulaw", 8_000),
    ("song.wma", "wmav2", 44_100),
    ("song.ac3", "ac3", 48_000),
    ("song.mp2", "mp2", 44_100),
    ("song.tta", "tta", 44_100),
    ("song.ts", "aac", 44_100),
]


def read(path, *, rate=RATE, max_seconds=60.0, guarded=False):
    with SoundFile(path, guarded=guarded) as file:
        return np.concatenate(list(file.blocks(rate, max_seconds=max_seconds)))


@pytest.mark.parametrize(("name", "codec", "rate"), KINDS)
def test_any_file_is_heard_as_it_sounds(tmp_path, name, codec, rate):
    path = write_sound(tmp_path / name, chirp(3.0, rate), sample_rate=rate, codec=codec)
    heard = read(path)
    late = delay(chirp(3.0, RATE), heard)
    assert heard.dtype == np.float32
    assert abs(late) <= 0.06 * RATE
    assert likeness(chirp(3.0, RATE)[max(0, -late) :], heard[max(0, late) :]) > 0.95


@pytest.mark.parametrize("layout", ["mono", "5.1", "7.1"])
def test_any_number_of_channels_becomes_one(tmp_path, layout):
    path = write_sound(tmp_path / "a.wav", chirp(1.0, 8000), sample_rate=8000, codec="pcm_f32le", layout=layout)
    heard = read(path, rate=8000)
    assert len(heard) == 8000
    assert likeness(chirp(1.0, 8000), heard) > 0.999


def test_eight_planes_end_no_process(tmp_path):
    path = write_sound(tmp_path / "a.flac", chirp(1.0, 48_000), sample_rate=48_000, codec="flac", layout="7.1")
    assert likeness(chirp(1.0, RATE), read(path)) > 0.99


def test_a_long_file_comes_in_blocks(tmp_path):
    path = write_sound(tmp_path / "a.wav", chirp(20.0, 44_100), sample_rate=44_100, codec="pcm_s16le")
    with SoundFile(path) as file:
        blocks = list(file.blocks(RATE, max_seconds=60))
    assert len(blocks) > 10
    assert max(map(len, blocks)) < 3 * RATE
    assert sum(map(len, blocks)) == 20 * RATE


def test_tags_are_those_of_the_file(tmp_path):
    for name, codec in (("a.mp3", "mp3"), ("a.ogg", "libopus"), ("a.flac", "flac")):
        tags = {"title": "\u5c0f\u660e", "artist": "Ann"}
        path = write_sound(tmp_path / name, chirp(1.0, 48_000), sample_rate=48_000, codec=codec, **tags)
        with SoundFile(path) as file:
            assert file.tags == Tags("\u5c0f\u660e", "Ann")


def test_a_file_without_tags_says_nothing(tmp_path):
    path = write_sound(tmp_path / "a.wav", chirp(0.1, 8000), sample_rate=8000, codec="pcm_s16le")
    with SoundFile(path) as file:
        assert file.tags == Tags()


def test_a_picture_beside_the_sound_is_passed_over(tmp_path):
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=10, width=32, height=32)
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        frame = av.AudioFrame.from_ndarray(np.frombuffer(chirp_pcm(0.5, 8000), np.int16)[None], "s16", "mono")
        frame.sample_rate = 8000
        container.mux(sound.encode(frame))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))
    assert likeness(chirp(0.5, 8000), read(path, rate=8000)) > 0.99


def test_a_longer_file_than_may_be_is_refused(tmp_path):
    path = write_sound(tmp_path / "a.wav", chirp(2.0, 8000), sample_rate=8000, codec="pcm_s16le")
    assert len(read(path, rate=8000, max_seconds=2.0)) == 16_000
    with pytest.raises(InvalidAudio, match=r"longer than 1\.5 s"):
        read(path, rate=8000, max_seconds=1.5)


def test_half_a_file_gives_its_sound(tmp_path):
    for name, codec in (("a.mp3", "mp3"), ("a.ogg", "libopus"), ("a.flac", "flac")):
        whole = write_sound(tmp_path / name, chirp(4.0, 48_000), sample_rate=48_000, codec=codec).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        assert 1.0 < len(read(tmp_path / name)) / RATE < 3.5


def test_damage_in_the_middle_is_passed_over_and_told(tmp_path):
    path = write_sound(tmp_path / "a.mp3", chirp(4.0, 44_100), sample_rate=44_100, codec="mp3")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = b"\xff\xfb\x90\x64" * 750
    path.write_bytes(data)
    with SoundFile(path) as file:
        heard = sum(map(len, file.blocks(RATE, max_seconds=60)))
        assert file.damage
    assert heard > 3 * RATE


@pytest.mark.parametrize("content", [b"", b"hello", bytes(5000), b"RIFF\x00\x00\x00\x00WAVE", b"\xff\xfb\x90\x64" * 9])
def test_what_is_no_sound_is_refused(tmp_path, content):
    (tmp_path / "a.mp3").write_bytes(content)
    with pytest.raises(InvalidAudio):
        read(tmp_path / "a.mp3")


def test_a_film_without_sound_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        picture = container.add_stream("mpeg4", rate=10, width=32, height=32)
        container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        container.mux(picture.encode(None))
    with pytest.raises(InvalidAudio, match="no sound"):
        read(tmp_path / "a.mkv")


def test_what_is_not_there_is_said(tmp_path):
    for path in (tmp_path / "none.mp3", tmp_path, tmp_path / "a\0"):
        with pytest.raises(NotFound):
            read(path)


@pytest.mark.parametrize("name", ["list.m3u8", "list.ffconcat", "list.mpd"])
def test_a_playlist_opens_no_other_file(tmp_path, name):
    secret = write_sound(tmp_path / "secret.wav", chirp(1.0, 8000), sample_rate=8000, codec="pcm_s16le")
    lists = {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile {secret.name}\n",
        "list.mpd": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{secret}</BaseURL></MPD>',
    }
    (tmp_path / name).write_text(lists[name])
    with pytest.raises(InvalidAudio):
        read(tmp_path / name)


def test_from_strangers_fewer_formats_are_read(tmp_path):
    for name, codec in (("a.mp3", "mp3"), ("a.webm", "libopus"), ("a.m4a", "aac"), ("a.wav", "pcm_s16le")):
        assert len(
            read(write_sound(tmp_path / name, chirp(1.0, 48_000), sample_rate=48_000, codec=codec), guarded=True)
        )
    path = write_sound(tmp_path / "a.tta", chirp(1.0, 48_000), sample_rate=48_000, codec="tta")
    with pytest.raises(InvalidAudio, match="not a sound file"):
        read(path, guarded=True)


def test_a_rate_that_changes_is_followed(tmp_path, monkeypatch):
    slow = write_sound(tmp_path / "a.mp3", chirp(1.0, 22_050), sample_rate=22_050, codec="mp3", layout="mono")
    fast = write_sound(tmp_path / "b.mp3", chirp(1.0, 44_100), sample_rate=44_100, codec="mp3", layout="mono")
    frames = []
    for path in (slow, fast):
        with SoundFile(path) as file:
            frames += file._frames()
    with SoundFile(slow) as file:
        monkeypatch.setattr(file, "_frames", lambda: iter(frames))
        heard = np.concatenate(list(file.blocks(RATE, max_seconds=60)))
    assert 2.0 <= len(heard) / RATE < 2.3


@pytest.mark.parametrize("rate", [500, 1_000_000])
def test_a_rate_that_no_sound_has_is_refused(tmp_path, rate):
    path = tmp_path / "a.wav"
    path.write_bytes(wav.encode(chirp_pcm(0.1), sample_rate=rate))
    with pytest.raises(InvalidAudio, match="sample rate"):
        read(path)


def test_what_is_not_read_leaves_no_file_open(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(sound_file, "_open", lambda path: opened.append(path.open("rb")) or opened[-1])
    (tmp_path / "a").write_bytes(b"hello")
    with pytest.raises(InvalidAudio):
        SoundFile(tmp_path / "a")
    with SoundFile(write_sound(tmp_path / "b.wav", chirp(0.1, 8000), sample_rate=8000, codec="pcm_s16le")):
        pass
    assert [file.closed for file in opened] == [True, True]
