import io
from fractions import Fraction

import av
import cv2
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from app.lipsync.encode import StreamedVideo, VideoForm, VideoWriter, WholeVideo

WIDTH, HEIGHT, FPS = 128, 96, 25
RATE = 44_100


def form(**changes: object) -> VideoForm:
    return VideoForm(**{"width": WIDTH, "height": HEIGHT, "fps": FPS, "sample_rate": RATE, **changes})  # type: ignore[arg-type]


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Return four colours, and a bar that moves."""
    made = np.empty((height, width, 3), np.uint8)
    made[: height // 2, : width // 2], made[: height // 2, width // 2 :] = (200, 60, 60), (60, 200, 60)
    made[height // 2 :, : width // 2], made[height // 2 :, width // 2 :] = (60, 60, 200), (128, 128, 128)
    made[:, 2 * (number % 40) : 2 * (number % 40) + 8] = 255
    return made


def sound(seconds: float, rate: int = RATE) -> NDArray[np.float32]:
    """Return a click each half second in faint noise."""
    samples = 0.001 * np.random.default_rng(0).normal(size=int(seconds * rate)).astype(np.float32)
    for start in range(rate // 4, len(samples) - 400, rate // 2):
        samples[start : start + 300] += 0.8 * np.sin(np.arange(300) * 0.3).astype(np.float32)
    return samples


def write(writer: VideoWriter, frames: int, *, rate: int = RATE, fps: float = FPS) -> None:
    samples = sound(frames / fps, rate)
    for number in range(frames):
        writer.write_picture(picture(number))
        writer.write_sound(samples[int(number * rate / fps) : int((number + 1) * rate / fps)])


def whole(frames: int, **changes: object) -> bytes:
    video = WholeVideo(form(**changes))
    write(video.writer, frames, rate=int(changes.get("sample_rate", RATE)), fps=float(changes.get("fps", FPS)))  # type: ignore[call-overload]
    return video.finish()


def streamed(frames: int) -> bytes:
    video = StreamedVideo(form())
    write(video.writer, frames)
    return video.finish()


def heard(data: bytes) -> NDArray[np.float32]:
    """Return the sound as a player plays it, without the encoder's padding."""
    with av.open(io.BytesIO(data)) as file:
        parts = [frame.to_ndarray()[0, :] for frame in file.decode(audio=0) if frame.pts is not None and frame.pts >= 0]
    return np.concatenate(parts)


def boxes(data: bytes) -> list[str]:
    names, at = [], 0
    while at + 8 <= len(data):
        names.append(data[at + 4 : at + 8].decode())
        at += int.from_bytes(data[at : at + 4])
    return names


@pytest.mark.parametrize("make", [whole, streamed])
def test_the_file_has_every_picture_at_its_time(make: object) -> None:
    with av.open(io.BytesIO(make(40))) as file:  # type: ignore[operator]
        video, audio = file.streams.video[0], file.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height, video.average_rate) == (WIDTH, HEIGHT, FPS)
        assert (audio.codec_context.name, audio.codec_context.sample_rate) == ("aac", RATE)
        times = [frame.time for frame in file.decode(video=0)]
    assert times == pytest.approx([number / FPS for number in range(40)])


@pytest.mark.parametrize("make", [whole, streamed])
def test_the_sound_is_where_it_was(make: object) -> None:
    given, got = sound(80 / FPS), heard(make(80))  # type: ignore[operator]
    assert 0 <= len(got) - len(given) <= 1024
    lags = range(-600, 601, 1)
    middle = slice(RATE // 2, RATE * 2)
    likeness = [float(given[middle] @ got[middle.start + lag : middle.stop + lag]) for lag in lags]
    assert abs(lags[int(np.argmax(likeness))]) <= RATE // 1000


@pytest.mark.parametrize("make", [whole, streamed])
def test_colours_come_back(make: object) -> None:
    with av.open(io.BytesIO(make(10))) as file:  # type: ignore[operator]
        frame = next(file.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (5, 1)  # BT.601, the range of TV
        got = frame.to_ndarray(format="bgr24").astype(int)
    for row, column in ((20, 40), (20, 100), (80, 40), (80, 100)):
        assert np.abs(got[row, column] - picture(0)[row, column]).max() <= 6


def test_a_whole_file_has_its_index_first() -> None:
    assert boxes(whole(30))[:2] == ["ftyp", "moov"]


def test_a_stream_begins_soon_and_goes_on() -> None:
    video = StreamedVideo(form())
    samples, sizes = sound(2), []
    for number in range(50):
        video.writer.write_picture(picture(number))
        video.writer.write_sound(samples[number * RATE // FPS : (number + 1) * RATE // FPS])
        sizes.append(len(video.take()))
    assert not any(sizes[:6]) and any(sizes[:13])
    assert sum(size > 0 for size in sizes) >= 5


def test_a_stream_can_be_played_from_its_first_part() -> None:
    video = StreamedVideo(form())
    write(video.writer, 30)
    first = video.take()
    assert boxes(first)[:3] == ["ftyp", "moov", "moof"]
    with av.open(io.BytesIO(first)) as file:
        assert len(list(file.decode(video=0))) >= 12


def test_codecs_are_told_before_anything_is_written() -> None:
    video = StreamedVideo(form())
    codecs = video.writer.codecs
    write(video.writer, 20)
    data = video.take() + video.finish()
    at = data.index(b"avcC")
    assert codecs == f"avc1.{data[at + 5 : at + 8].hex()}, mp4a.40.2"


@pytest.mark.parametrize(("given", "written"), [(8_000, 8_000), (16_000, 16_000), (20_000, 22_050), (96_000, 48_000)])
def test_sound_keeps_its_rate_where_aac_has_it(given: int, written: int) -> None:
    data = whole(25, sample_rate=given)
    with av.open(io.BytesIO(data)) as file:
        assert file.streams.audio[0].codec_context.sample_rate == written
    assert abs(len(heard(data)) / written - 1) < 0.15


@pytest.mark.parametrize("fps", [24, 29.97, 50])
def test_other_rates_of_pictures_are_kept(fps: float) -> None:
    with av.open(io.BytesIO(whole(30, fps=fps))) as file:
        assert float(file.streams.video[0].average_rate or 0) == pytest.approx(fps, rel=1e-5)
        last = [frame.time for frame in file.decode(video=0)][-1]
    assert last == pytest.approx(29 / fps, abs=2e-3)


def test_a_smaller_crf_is_closer_to_the_picture() -> None:
    def error(crf: int) -> float:
        with av.open(io.BytesIO(whole(5, crf=crf))) as file:
            got = next(file.decode(video=0)).to_ndarray(format="yuv420p")
        return float(np.abs(got.astype(int) - cv2.cvtColor(picture(0), cv2.COLOR_BGR2YUV_I420)).mean())

    assert error(10) < error(40)


def test_one_picture_and_one_sample_are_a_video() -> None:
    video = WholeVideo(form())
    video.writer.write_picture(picture(0))
    video.writer.write_sound(np.zeros(1, np.float32))
    with av.open(io.BytesIO(video.finish())) as file:
        assert len(list(file.decode(video=0))) == 1


@pytest.mark.parametrize(("width", "height", "crf"), [(127, 96, 21), (128, 95, 21), (0, 96, 21), (128, 96, 52)])
def test_what_cannot_be_encoded_is_refused(width: int, height: int, crf: int) -> None:
    with pytest.raises(ValueError, match="even|crf"):
        form(width=width, height=height, crf=crf)


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="the video has"):
        WholeVideo(form()).writer.write_picture(picture(0, 64, 64))


def test_a_frame_lasts_as_long_as_its_rate_says() -> None:
    with av.open(io.BytesIO(whole(25))) as file:
        assert Fraction(file.duration or 0, av.time_base) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("kind", [WholeVideo, StreamedVideo])
def test_an_abandoned_video_gives_back_its_memory(kind: type[WholeVideo] | type[StreamedVideo]) -> None:
    still = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    process, held = psutil.Process(), []
    for _ in range(8):
        video = kind(form(width=512, height=512))
        for _ in range(20):
            video.writer.write_picture(still, (0, 0, 8, 8))
            video.writer.write_sound(np.zeros(RATE // FPS, np.float32))
        video.abandon()
        video.abandon()
        held.append(process.memory_info().rss)
    assert held[-1] - held[1] < 20 * 1024 * 1024  # a video that is merely dropped keeps 20 MB each time


def test_a_video_may_be_abandoned_before_it_has_begun() -> None:
    StreamedVideo(form()).abandon()
