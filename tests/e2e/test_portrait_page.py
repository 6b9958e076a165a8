"""The page of talking portraits in a real browser, at the real server, whose camera sees the astronaut."""

import base64
import io
import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.sdk.portrait import Fragment, Portrait, Progress, RequestFailed, SyncPortraits
from tests.e2e.browser import chromium
from tests.e2e.served import ROOT, Served, served
from tests.e2e.test_stream_page import write_wav
from tests.lipsync.portraits import astronaut, needs_models

PAGE = "/web/portrait.html"
SOON = 60_000
"""Milliseconds for what takes a second on a machine that does nothing else."""
TEXT = "Good evening. I have been hanging here for a very long time."
LONG_TEXT = " ".join([TEXT] * 30)
FPS = 25
MOUTH, BACKGROUND = np.s_[140:165, 205:245], np.s_[0:60, 300:400]

WITHOUT_MEDIA_SOURCE = "delete window.MediaSource; delete window.ManagedMediaSource;"

pytestmark = [pytest.mark.browser, needs_models]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures and sounds."""
    folder = tmp_path_factory.mktemp("portraits")
    cv2.imwrite(str(folder / "ada.png"), astronaut())
    cv2.imwrite(str(folder / "ada.bmp"), astronaut())
    cv2.imwrite(str(folder / "nobody.png"), np.full((300, 400, 3), 128, np.uint8))
    (folder / "letter.txt").write_text("no picture")
    _write_y4m(folder / "ada.y4m", astronaut())
    with av.open(str(ROOT / "audio_files" / "welcome.wav")) as container:
        rate = container.streams.audio[0].rate
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    write_wav(folder / "speech.wav", np.concatenate(frames)[: 2 * rate] / 32768, rate=rate)
    return folder


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Browser]:
    with chromium(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={folder / 'ada.y4m'}",
        f"--use-file-for-fake-audio-capture={folder / 'speech.wav'}",
        "--autoplay-policy=no-user-gesture-required",
    ) as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    size = {"width": 1280, "height": 1000}
    with browser.new_context(viewport=size, permissions=["microphone", "camera"]) as opened:  # type: ignore[arg-type]
        opened.set_default_timeout(SOON)
        yield opened


@pytest.fixture
def page(context: BrowserContext, server: Served) -> Iterator[Page]:
    """The page, which must not complain."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(server.url + PAGE)
    yield page
    assert complaints == []


class Film(NamedTuple):
    """What the video element of the page says."""

    position: float
    duration: float
    width: int
    ranges: list[list[float]]
    ended: bool
    source: str
    problem: str | None


def film(page: Page) -> Film:
    told = page.evaluate(
        "() => { const film = document.querySelector('#film');"
        " const ranges = Array.from({length: film.buffered.length}, (_, n) =>"
        " [film.buffered.start(n), film.buffered.end(n)]);"
        " return [film.currentTime, film.duration || 0, film.videoWidth, ranges, film.ended, film.src,"
        " film.error?.message ?? null]; }"
    )
    return Film(*told)


def wait_for_film(page: Page, condition: Callable[[Film], bool]) -> Film:
    """Wait for a state of the video; the page's own rules let no test evaluate a condition in it again and again."""
    for _ in range(SOON // 25):
        if condition(now := film(page)):
            return now
        page.wait_for_timeout(25)
    raise AssertionError(f"the video never came so far: {now}")


def seat(page: Page, picture: Path) -> None:
    page.get_by_label("Choose a picture").set_input_files(picture)


def speak(page: Page) -> None:
    page.get_by_role("button", name="Speak", exact=True).click()


def saved(page: Page, path: Path) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("link", name="Save").click()
    download.value.save_as(path)
    return path.read_bytes()


def pictures_of(video: bytes) -> NDArray[np.uint8]:
    """Return the pictures of a video: (frames, height, width, 3)."""
    with av.open(io.BytesIO(video)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def tasks(server: Served) -> int:
    return int(json.loads(server.get("/ws/health")[1])["processing_tasks"])


def test_a_picture_says_a_text_and_is_seen_while_it_is_drawn(page: Page, server: Served, folder: Path) -> None:
    seat(page, folder / "ada.png")
    expect(page.locator("#sitter")).to_have_text("One face, 512 × 512")
    page.get_by_label("Text", exact=True).fill(TEXT)
    page.get_by_label("Language").select_option("en-GB")
    page.get_by_label("Voice", exact=True).select_option(index=0)

    speak(page)

    expect(page.locator("#news")).to_have_text("Drawn by warp.", timeout=SOON)
    begun = wait_for_film(page, lambda film: film.position > 0.1)
    assert begun.width == 512 and begun.problem is None
    assert len(begun.ranges) == 1 and begun.ranges[0][0] < 0.05
    assert begun.ranges[0][1] == pytest.approx(begun.duration, abs=0.05)
    expect(page.locator("#reason")).to_contain_text("Drawn by warp, not by nota_wav2lip: nota_wav2lip has no weights")
    expect(page.locator("#first-seen")).to_have_text(re.compile(r"^\d"))
    expect(page.locator("#voice-used")).not_to_have_text("–")
    later = wait_for_film(page, lambda film: film.ended)
    assert later.position == pytest.approx(later.duration, abs=0.05)

    pictures = pictures_of(saved(page, folder / "saved.mp4"))
    assert len(pictures) == pytest.approx(begun.duration * FPS, abs=2)
    assert pictures[:, *MOUTH].std(axis=0).mean() > 4 * pictures[:, *BACKGROUND].std(axis=0).mean()

    page.get_by_role("button", name="Play again").click()
    wait_for_film(page, lambda film: not film.ended and 0 < film.position < film.duration)


def test_a_long_text_is_heard_before_all_is_drawn_and_can_be_stopped(page: Page, server: Served, folder: Path) -> None:
    seat(page, folder / "ada.png")
    page.get_by_label("Text", exact=True).fill(LONG_TEXT)
    expect(page.get_by_label("Drawn by").locator("option")).to_have_text(
        ["Whoever can", "warp, the embedded engine", "nota_wav2lip, a small network (not here)"]
        + ["wav2lip, a large network (not here)"]
    )
    page.get_by_label("Drawn by").select_option("warp")
    speak(page)

    wait_for_film(page, lambda film: film.position > 0.1)
    assert page.locator("#drawing").is_visible()
    assert 0 < float(page.locator("#progress").get_attribute("value") or 0) < 100
    expect(page.locator("#news")).to_have_text("It speaks.")
    page.get_by_role("button", name="Stop", exact=True).click()

    expect(page.locator("#news")).to_have_text("Stopped.")
    expect(page.locator("#film")).to_be_hidden()
    expect(page.locator("#picture")).to_be_visible()
    expect(page.locator("#drawing")).to_be_hidden()
    for _ in range(SOON // 25):
        if tasks(server) == 0:
            break
        page.wait_for_timeout(25)
    assert tasks(server) == 0

    page.get_by_label("Text", exact=True).fill("And on.")
    speak(page)
    expect(page.locator("#news")).to_have_text("Drawn by warp.", timeout=SOON)
    expect(page.locator("#reason")).to_be_hidden()


def test_a_recording_is_spoken_by_who_sits_before_the_camera(page: Page) -> None:
    page.get_by_role("button", name="Take one").click()
    expect(page.locator("#frame")).to_have_attribute("data-state", "camera")
    page.get_by_role("button", name="Take it").click()
    expect(page.locator("#sitter")).to_have_text(re.compile(r"^One face, \d+ × \d+$"))
    page.get_by_label("A sound").check()
    page.get_by_role("button", name="Record").click()
    stop = page.get_by_role("button", name=re.compile(r"Stop at 0:0[1-9]"))
    stop.wait_for(timeout=SOON)

    stop.click()
    expect(page.locator("#sound-name")).to_have_text(re.compile(r"^recording\.wav, \d+"))
    speak(page)

    expect(page.locator("#news")).to_have_text("Drawn by warp.", timeout=SOON)
    assert wait_for_film(page, lambda film: film.position > 0).duration >= 1


def test_files_are_dropped_and_other_kinds_of_pictures_are_taken_too(page: Page, folder: Path) -> None:
    files = [("speech.wav", "audio/wav"), ("ada.bmp", "image/bmp")]
    dropped = page.evaluate_handle(
        "(files) => { const dropped = new DataTransfer(); for (const [name, type, bytes] of files)"
        " dropped.items.add(new File([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))], name, {type}));"
        " return dropped; }",
        [[name, type, _base64(folder / name)] for name, type in files],
    )

    page.dispatch_event("#portrait-form", "drop", {"dataTransfer": dropped})

    expect(page.locator("#sitter")).to_have_text("One face, 512 × 512")
    expect(page.get_by_label("A sound")).to_be_checked()
    speak(page)
    expect(page.locator("#news")).to_have_text("Drawn by warp.", timeout=SOON)
    assert wait_for_film(page, lambda film: film.position > 0).duration == pytest.approx(2, abs=0.1)


def test_where_there_is_no_media_source_the_whole_file_is_played(context: BrowserContext, server: Served) -> None:
    page = context.new_page()
    page.add_init_script(WITHOUT_MEDIA_SOURCE)
    page.goto(server.url + PAGE)
    expect(page.locator("#sitter")).to_contain_text("Drawn for this page.")
    speak(page)

    expect(page.locator("#news")).to_have_text("Drawn by warp.", timeout=SOON)
    whole = wait_for_film(page, lambda film: film.position > 0.1)
    assert whole.width == 640 and whole.problem is None


def test_a_browser_that_plays_nothing_by_itself_is_told_of(context: BrowserContext, server: Served) -> None:
    page = context.new_page()
    page.add_init_script(
        "const play = HTMLMediaElement.prototype.play; let isAsked = false;"
        "HTMLMediaElement.prototype.play = function () { return isAsked ? play.call(this)"
        " : Promise.reject(new DOMException('no gesture', 'NotAllowedError')); };"
        "addEventListener('click', ({target}) => (isAsked = target.id === 'replay'), true);"
    )
    page.goto(server.url + PAGE)
    expect(page.locator("#sitter")).to_contain_text("Drawn for this page.")
    speak(page)

    expect(page.locator("#news")).to_have_text("Drawn. The browser wants you to have it played.", timeout=SOON)
    assert film(page).position == 0
    page.get_by_role("button", name="Play again").click()
    wait_for_film(page, lambda film: film.position > 0.1)


def test_what_is_wrong_is_told_in_words(context: BrowserContext, server: Served, folder: Path) -> None:
    page = context.new_page()  # the browser itself complains of a refusal
    page.route("**/portrait_sample.svg", lambda route: route.abort())
    page.goto(server.url + PAGE)
    alert = page.get_by_role("alert")
    expect(alert).to_have_text("The drawing of this page cannot be shown.")

    speak(page)
    expect(alert).to_have_text("Choose a picture first.")
    expect(page.get_by_label("Choose a picture")).to_be_focused()

    seat(page, folder / "letter.txt")
    expect(alert).to_have_text("This is no picture that the browser can show.")

    seat(page, folder / "nobody.png")
    expect(page.locator("#sitter")).to_contain_text("400 × 300")
    page.get_by_label("Text", exact=True).fill("")
    speak(page)
    expect(alert).to_have_text("Write a text first.")
    expect(page.get_by_label("Text", exact=True)).to_be_focused()

    page.get_by_label("Text", exact=True).fill(TEXT)
    speak(page)
    expect(alert).to_have_text("No face was found in the picture.", timeout=SOON)
    expect(page.locator("#picture")).to_be_visible()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_disabled()

    page.get_by_label("A sound").check()
    speak(page)
    expect(alert).to_have_text("Record or choose a sound first.")


def test_a_wrong_token_is_asked_for_again(context: BrowserContext, server: Served) -> None:
    page = context.new_page()  # the browser itself complains of each refusal
    page.goto(f"{server.url}{PAGE}#token=wrong")

    expect(page.get_by_label("This server wants a token")).to_be_visible()


def test_the_page_has_the_name_of_the_document_too(page: Page, server: Served) -> None:
    page.goto(server.url + "/websocket-test#kept")

    assert page.url == server.url + "/web/portrait.html#kept"  # where the page looks for a token
    page.goto(server.url + "/")
    page.get_by_role("link", name="Talking portraits").click()
    expect(page.get_by_role("heading", name="Give a picture a voice.")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 768, 1920])
def test_nothing_is_wider_than_the_window(page: Page, folder: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    seat(page, folder / "ada.png")
    expect(page.locator("#sitter")).to_contain_text("512")
    for kind in ("A sound", "A text"):
        page.get_by_label(kind).check()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_python_gets_the_same_whole_and_in_fragments(server: Served, folder: Path) -> None:
    told: list[Progress] = []
    picture = folder / "ada.png"
    with SyncPortraits(server.url) as portraits:
        whole = portraits.speak(picture, folder / "speech.wav", model="warp", on_progress=told.append, timeout=60)
        events = list(portraits.stream(picture, text=TEXT, language="en-GB", timeout=60))
        with pytest.raises(RequestFailed, match="no face was found") as failed:
            portraits.speak(folder / "nobody.png", text=TEXT, timeout=60)
        with pytest.raises(RequestFailed, match="weights") as redrawn:
            portraits.speak(None, text=TEXT, video=whole.video, timeout=60)

    assert (whole.model_used, whole.faces, whole.frames, whole.width) == ("warp", 1, 2 * FPS, 512)
    assert len(pictures_of(whole.video)) == whole.frames and told[-1].percent == 100
    assert (failed.value.code, redrawn.value.code) == ("processing_error", "processing_error")
    fragments = [event.data for event in events if isinstance(event, Fragment)]
    last = events[-1]
    assert isinstance(last, Portrait) and last.image_id == whole.image_id
    assert len(fragments) > 3 and len(b"".join(fragments)) == last.video_size
    assert len(pictures_of(b"".join(fragments))) == last.frames


def test_a_picture_that_the_server_has_lost_is_sent_again(server: Served, folder: Path) -> None:
    with SyncPortraits(server.url) as portraits:
        first = portraits.speak(folder / "ada.png", text="One.", timeout=60)
        request = urllib.request.Request(f"{server.url}/api/v1/lip-sync/images/{first.image_id}", method="DELETE")
        with urllib.request.urlopen(request, timeout=20) as reply:
            assert reply.status in (200, 204)
        again = portraits.speak(folder / "ada.png", text="Two.", timeout=60)

    assert again.image_id == first.image_id and again.frames > 0


def _write_y4m(path: Path, bgr: NDArray[np.uint8]) -> None:
    """Write a second of a still picture, as a camera's."""
    planes = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).tobytes()
    height, width = bgr.shape[:2]
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode())
        for _ in range(10):
            file.write(b"FRAME\n" + planes)


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
