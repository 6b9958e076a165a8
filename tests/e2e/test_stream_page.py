"""The page of recognition in a real browser, whose microphone plays a file; the server is played by the test."""

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.browser import chromium
from tests.e2e.stream_stage import Listener, StreamStage, stream_stage
from tests.sdk.fake_stream import LOST, MATCH, error, match, status

RATE = 22050
TONE_HZ = 1000.0
PAGE = "/web/stream.html"
THUMBNAIL = "https://pictures.example/abc123.svg"
PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96" viewBox="0 0 96 96"><rect width="96" height="96"'
    ' fill="#274b5e"/><circle cx="48" cy="48" r="30" fill="#e9b44c"/></svg>'
)
SONG = MATCH | {"title": "Harbour Lights", "thumbnail_url": THUMBNAIL, "start_time": 60.5, "end_time": 63.5}
OTHER = MATCH | {"video_id": "def456", "title": None, "url": "javascript:alert(1)", "thumbnail_url": None}

# A browser that records at the rate of its microphone only, as Firefox does.
ONE_RATE = """
const create = AudioContext.prototype.createMediaStreamSource;
AudioContext.prototype.createMediaStreamSource = function (stream) {
  if (this.sampleRate === 22050) throw new DOMException("another rate", "NotSupportedError");
  return create.call(this, stream);
};
"""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tone(tmp_path_factory.mktemp("sound") / "tone.wav", seconds=4)


@pytest.fixture(scope="module")
def browser(tone: Path) -> Iterator[Browser]:
    with chromium(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={tone}",
    ) as started:
        yield started


@pytest.fixture
def stage() -> Iterator[StreamStage]:
    with stream_stage() as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(viewport={"width": 1280, "height": 1000}, permissions=["microphone"]) as opened:
        opened.route(THUMBNAIL, lambda route: route.fulfill(body=PICTURE, content_type="image/svg+xml"))
        yield opened


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must not complain."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    assert complaints == []


def write_tone(path: Path, *, seconds: float, rate: int = 48000) -> Path:
    return write_wav(path, 0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(round(rate * seconds)) / rate), rate=rate)


def write_wav(path: Path, sound: NDArray[np.floating[Any]], *, rate: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(32767 * sound).astype("<i2").tobytes())
    return path


def listen(page: Page, stage: StreamStage, query: str = "") -> Listener:
    page.goto(stage.url + PAGE + query)
    page.get_by_role("button", name="Listen").click()
    return stage.accept()


def purity(sound: NDArray[np.float32]) -> float:
    """The part of the energy that is the tone's."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / RATE)
    return float(spectrum[np.abs(hz - TONE_HZ) < 20].sum() / spectrum.sum())


@pytest.mark.parametrize("script", ["", ONE_RATE], ids=["any rate", "one rate"])
def test_what_the_microphone_hears_arrives_at_the_rate_of_the_server(
    page: Page, stage: StreamStage, script: str
) -> None:
    page.add_init_script(script)
    listener = listen(page, stage)
    listener.samples(RATE // 2)  # as long as a fake microphone takes to begin

    sound = listener.samples(RATE)

    assert listener.query == {"sample_rate": "22050", "events": "1"} and len(listener.client_id) == 32
    assert purity(sound) > 0.99 and 0.3 < np.max(np.abs(sound)) < 0.7
    level = page.locator("#level")
    page.wait_for_function("Number(document.querySelector('#level').ariaValueNow) > -15")
    assert -12 < float(level.get_attribute("aria-valuenow") or 0) < -6  # a sine of half the scale has -9 dB


def test_a_visitor_sees_what_plays(page: Page, stage: StreamStage, tmp_path: Path) -> None:
    listener = listen(page, stage)
    listener.say(status("Connected"))
    expect(page.locator("#hint")).to_have_text("Listening. Nothing that is known here yet.")
    expect(page.locator("#told")).to_have_text("Connected")

    listener.say(match(SONG))

    expect(page.locator("#hint")).to_have_text("It is Harbour Lights.")
    expect(page.get_by_role("link", name="Harbour Lights")).to_have_attribute("href", SONG["url"])
    expect(page.locator("#track-place")).to_have_text("At 1:03 in the track")
    expect(page.locator("#confidence-words")).to_have_text("92 % sure")
    expect(page.locator("#thumbnail")).to_be_visible()
    expect(page.locator("#duration")).to_have_text("0:16")
    page.screenshot(path=tmp_path / "playing.png", full_page=True)
    assert (tmp_path / "playing.png").stat().st_size > 20_000


def test_songs_that_were_heard_are_listed(page: Page, stage: StreamStage) -> None:
    listener = listen(page, stage)
    listener.say(match(SONG))
    listener.say(match(SONG | {"start_time": 61.0, "end_time": 64.0}))
    listener.say(match(OTHER, SONG))

    expect(page.locator("#track-title")).to_have_text("def456")  # a track may have no title
    expect(page.locator("#heard .words")).to_have_text(["Harbour Lights"])
    expect(page.locator("#heard .place")).to_have_text(["1:00 – 1:04"])
    expect(page.locator("#thumbnail")).to_be_hidden()
    assert page.locator("#track-title a").count() == 0  # an address that is a script is none

    listener.say(LOST)
    expect(page.locator("#now")).to_have_attribute("data-state", "stopped")
    listener.say(match(OTHER))
    expect(page.locator("#heard .words")).to_have_text(["def456", "Harbour Lights"])


def test_stopping_ends_the_stream(page: Page, stage: StreamStage) -> None:
    listener = listen(page, stage)
    listener.samples(1000)
    listener.say(match(SONG))
    expect(page.locator("#now")).to_have_attribute("data-state", "playing")

    page.get_by_role("button", name="Stop").click()

    listener.wait_until_closed()
    expect(page.locator("#connection-words")).to_have_text("Not listening")
    expect(page.locator("#heard .words")).to_have_text(["Harbour Lights"])
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    page.get_by_role("button", name="Listen").click()
    assert len(stage.accept().samples(1000)) >= 1000


def test_a_file_is_played_to_its_end(page: Page, stage: StreamStage, tmp_path: Path) -> None:
    page.goto(stage.url + PAGE)
    page.get_by_label("Choose a file").set_input_files(write_tone(tmp_path / "mix.wav", seconds=1.5, rate=44100))
    listener = stage.accept()

    sound = listener.samples(round(1.5 * RATE) - 10)

    assert purity(sound) > 0.99 and len(sound) == pytest.approx(1.5 * RATE, abs=3)
    expect(page.locator("#file-name")).to_have_text("mix.wav")
    expect(page.locator("#position")).to_have_text("0:01 of 0:01")
    listener.wait_until_closed()
    expect(page.locator("#playing-file")).to_be_hidden()


def test_a_file_can_be_dropped(page: Page, stage: StreamStage, tone: Path) -> None:
    page.goto(stage.url + PAGE)
    dropped = page.evaluate_handle(
        "async (bytes) => { const files = new DataTransfer();"
        " files.items.add(new File([Uint8Array.from(bytes)], 'dropped.wav')); return files; }",
        list(tone.read_bytes()[: 44 + 96_000]),
    )

    page.dispatch_event("#ear", "drop", {"dataTransfer": dropped})

    assert purity(stage.accept().samples(RATE // 2)) > 0.99
    expect(page.locator("#file-name")).to_have_text("dropped.wav")


def test_what_is_no_sound_is_told_in_words(page: Page, stage: StreamStage, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("no sound")
    page.goto(stage.url + PAGE)

    page.get_by_label("Choose a file").set_input_files(tmp_path / "letter.txt")

    expect(page.get_by_role("alert")).to_contain_text("This browser cannot play this format.")
    assert stage.attempts == 0


def test_a_microphone_that_is_refused_is_told_in_words(page: Page, stage: StreamStage) -> None:
    refuse = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); }"
    page.add_init_script(refuse)

    listen(page, stage).wait_until_closed()

    expect(page.get_by_role("alert")).to_have_text("The browser does not let this page use a microphone.")


def test_an_end_on_purpose_is_told_and_not_asked_again(page: Page, stage: StreamStage) -> None:
    listener = listen(page, stage)
    listener.say(error("Rate limit exceeded: 200 KB/s", detail="slow down"))
    expect(page.locator("#told")).to_have_text("Rate limit exceeded: 200 KB/s: slow down")

    listener.hang_up(1008, "rate limit exceeded")

    expect(page.get_by_role("alert")).to_have_text("The server has ended the stream: rate limit exceeded.")
    expect(page.locator("#connection")).to_have_attribute("data-state", "closed")
    assert stage.attempts == 1


def test_a_restart_is_survived(page: Page, stage: StreamStage) -> None:
    listen(page, stage).hang_up(1012, "restarting")

    listener = stage.accept()

    assert len(listener.samples(1000)) >= 1000
    expect(page.locator("#connection-words")).to_have_text("Connected")


def test_a_wrong_token_is_asked_for_again(context: BrowserContext, stage: StreamStage) -> None:
    page = context.new_page()  # the browser itself complains of each refusal
    stage.token = "secret"
    page.goto(f"{stage.url}{PAGE}#token=wrong")
    page.get_by_role("button", name="Listen").click()

    page.get_by_label("This server wants a token").fill("secret")
    with page.expect_event("load"):
        page.get_by_role("button", name="Use it").click()
    page.get_by_role("button", name="Listen").click()

    assert stage.accept().query["token"] == "secret"


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_the_window(page: Page, stage: StreamStage, tmp_path: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(stage.url + PAGE)
    long_name = "Evening set, live at the harbour, with everything that came after.wav"
    page.get_by_label("Choose a file").set_input_files(write_tone(tmp_path / long_name, seconds=20, rate=RATE))
    listener = stage.accept()
    listener.samples(5000)
    listener.say(match(SONG))
    listener.say(match(OTHER))
    expect(page.locator("#heard li")).to_have_count(1)

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_everything_can_be_reached_by_keyboard_and_has_a_name(page: Page, stage: StreamStage) -> None:
    listener = listen(page, stage)
    listener.say(match(SONG))
    expect(page.locator("#track")).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    names = []
    for _ in range(30):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "(({labels, ariaLabel, textContent} = document.activeElement) =>"
            " document.activeElement === document.body ? null : labels?.[0]?.textContent || ariaLabel || textContent)()"
        )
        if name is None:
            break
        names.append(name.strip())

    assert {"Stop", "Choose a file", "Harbour Lights", "REST reference"} <= set(names)
    assert "" not in names


def test_the_other_pages_lead_here(page: Page, stage: StreamStage) -> None:
    page.goto(stage.url + "/web/speak.html")
    page.get_by_role("link", name="What is playing?").click()

    expect(page).to_have_title("Chorus: what is playing?")
