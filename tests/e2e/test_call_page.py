"""The page of calls in a real browser, whose microphone plays a file, on the whole server."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.browser import chromium
from tests.e2e.served import Served, served
from tests.e2e.test_stream_page import write_tone

PAGE = "/web/call.html"
LONG_NAME = "Evening set, live at the harbour, with everything that came after.wav"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    tone = write_tone(tmp_path_factory.mktemp("sound") / "tone.wav", seconds=4)
    with chromium(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={tone}",
    ) as started:
        yield started


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio_files")
    write_tone(folder / "short.wav", seconds=3)  # longer than the time from one look at the page to the next
    write_tone(folder / LONG_NAME, seconds=60, rate=8000)
    (folder / "broken.mp3").write_text("no sound")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, sounds: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("data"), AUDIO_FILES_DIR=str(sounds)) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(viewport={"width": 1280, "height": 1000}, permissions=["microphone"]) as opened:
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


def call(page: Page) -> None:
    page.get_by_role("button", name="Call", exact=True).click()
    expect(page.locator("#connection-words")).to_have_text("Connected")


def frames(page: Page, what: str) -> int:
    return int((page.locator(f"#frames-{what}").text_content() or "").replace(",", ""))


def wait_for_frames(page: Page, what: str, least: int) -> None:
    """The page's own rules let no test evaluate a condition in it again and again."""
    for _ in range(800):
        if frames(page, what) >= least:
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"{frames(page, what)} frames were {what}, and not {least}")


def wait_until_heard(page: Page) -> None:
    """Wait until it is louder than -30 dB."""
    expect(page.locator("#heard")).to_have_attribute("aria-valuenow", re.compile(r"^-([12]?\d)$"))


def test_what_is_said_comes_back(page: Page, tmp_path: Path) -> None:
    page.get_by_label("I wear headphones").check()  # else the browser takes out of it what is no speech
    call(page)

    wait_until_heard(page)
    wait_for_frames(page, "heard", 50)

    assert -12 < float(page.locator("#sent").get_attribute("aria-valuenow") or 0) < -6  # half the scale has -9 dB
    assert -12 < float(page.locator("#heard").get_attribute("aria-valuenow") or 0) < -6
    expect(page.locator("#roundtrip")).to_have_text(re.compile(r"^\d+\sms$"))
    expect(page.locator("#rate")).to_have_text("16 kHz")
    expect(page.locator("#dropped")).to_have_text("0")
    assert 0 <= frames(page, "sent") - frames(page, "heard") < 25
    expect(page.locator("#news")).to_have_text("The call stands. Say something.")
    page.screenshot(path=tmp_path / "call.png", full_page=True)
    assert (tmp_path / "call.png").stat().st_size > 20_000


def test_in_a_call_the_browser_takes_out_what_the_loudspeaker_plays(page: Page) -> None:
    page.evaluate(
        "() => { const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
        " navigator.mediaDevices.getUserMedia = (wanted) => { window.wanted = wanted; return ask(wanted); }; }"
    )
    call(page)
    wait_for_frames(page, "heard", 5)

    assert page.evaluate("window.wanted.audio.echoCancellation") is True


def test_a_call_is_ended_and_begun_again(page: Page) -> None:
    call(page)
    wait_for_frames(page, "heard", 5)
    page.get_by_role("button", name="Hang up").click()

    expect(page.locator("#connection-words")).to_have_text("No call")
    expect(page.get_by_role("button", name="Hang up")).to_be_disabled()
    expect(page.get_by_role("button", name="Call", exact=True)).to_be_focused()
    expect(page.locator("#heard")).to_have_attribute("aria-valuetext", "silence")
    call(page)
    wait_for_frames(page, "heard", 5)


def test_what_is_typed_is_spoken_into_the_call(page: Page) -> None:
    page.get_by_label("Speak").check()
    expect(page.get_by_label("I wear headphones")).to_be_hidden()
    call(page)
    page.get_by_label("What to say").fill("Good evening to everybody who calls tonight, and thank you.")
    page.keyboard.press("Enter")

    wait_until_heard(page)
    expect(page.locator("#news")).to_have_text(re.compile(r"^Spoken: .+ of speech\.$"))
    wait_for_frames(page, "heard", 20)
    expect(page.locator("#frames-sent")).to_have_text("0")  # no microphone is asked for


def test_the_music_on_the_line_is_listened_to(page: Page) -> None:
    page.get_by_label("Recognise").check()
    call(page)
    wait_for_frames(page, "sent", 50)

    expect(page.locator("#news")).to_have_text("Listening. Nothing that is known here yet.")
    expect(page.locator("#frames-heard")).to_have_text("0")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_file_is_played_to_its_end(page: Page) -> None:
    expect(page.locator("#files .name")).to_have_text([LONG_NAME, "broken.mp3", "short.wav"])
    page.get_by_role("button", name="Play short.wav").click()
    wait_until_heard(page)

    expect(page.get_by_role("button", name="Play short.wav")).to_be_visible()
    expect(page.locator("#heard")).to_have_attribute("aria-valuetext", "silence")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_file_is_stopped_by_its_button_and_by_another_file(page: Page) -> None:
    page.get_by_role("button", name=f"Play {LONG_NAME}").click()
    expect(page.locator("[data-playing] .facts")).to_have_text(re.compile(r"^0:0[1-9]$"))
    page.get_by_role("button", name=f"Stop {LONG_NAME}").click()
    expect(page.locator("[data-playing]")).to_have_count(0)

    page.get_by_role("button", name=f"Play {LONG_NAME}").click()
    page.get_by_role("button", name="Play short.wav").click()

    expect(page.locator("[data-playing] .name")).to_have_text("short.wav")
    expect(page.locator("[data-playing]")).to_have_count(0)


@pytest.mark.parametrize(
    "name, why", [("broken.mp3", "Unsupported audio format"), ("short.wav", "File not found")], ids=["broken", "gone"]
)
def test_a_file_that_is_refused_says_why(page: Page, sounds: Path, name: str, why: str) -> None:
    expect(page.locator("#files .name")).to_have_count(3)
    content = (sounds / name).read_bytes()
    if why == "File not found":
        (sounds / name).unlink()
    try:
        page.get_by_role("button", name=f"Play {name}").click()

        expect(page.get_by_role("alert")).to_have_text(f"“{name}” cannot be played: {why}.")
        expect(page.locator("[data-playing]")).to_have_count(0)
    finally:
        (sounds / name).write_bytes(content)


def test_a_microphone_that_is_refused_is_told_in_words(page: Page) -> None:
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); }"
    )
    page.reload()
    page.get_by_role("button", name="Call", exact=True).click()

    expect(page.get_by_role("alert")).to_have_text("The browser does not let this page use a microphone.")
    expect(page.locator("#connection-words")).to_have_text("No call")


def test_a_server_that_wants_a_token_gets_one(context: BrowserContext, tmp_path: Path, sounds: Path) -> None:
    page = context.new_page()  # the browser itself complains of each refusal
    key = "a-key-of-the-operator"
    with served(tmp_path, AUTH_REQUIRED="true", API_KEYS=key, AUDIO_FILES_DIR=str(sounds)) as server:
        page.goto(server.url + PAGE)
        page.get_by_label("This server wants a token").fill(key)
        with page.expect_event("load"):
            page.get_by_role("button", name="Use it").click()

        call(page)
        expect(page.locator("#files .name")).to_have_count(3)
        wait_for_frames(page, "heard", 5)
        page.get_by_role("button", name="Play short.wav").click()
        expect(page.locator("[data-playing]")).to_have_count(1)
        expect(page.locator("[data-playing]")).to_have_count(0)
        expect(page.get_by_role("alert")).to_be_hidden()


def test_a_call_survives_a_restart(context: BrowserContext, tmp_path: Path) -> None:
    page = context.new_page()
    with served(tmp_path) as server:
        page.goto(server.url + PAGE)
        call(page)
        wait_for_frames(page, "heard", 5)
        port = int(server.url.rsplit(":", 1)[1])
    expect(page.locator("#connection-words")).to_have_text(re.compile("next try in"))
    heard = frames(page, "heard")
    with served(tmp_path, port=port):
        page.get_by_role("button", name="Try now").click()
        wait_for_frames(page, "heard", heard + 20)
        page.get_by_role("button", name="Hang up").click()


@pytest.mark.parametrize("width", [320, 390, 768])
@pytest.mark.parametrize("kind", ["Echo", "Speak"])
def test_nothing_is_wider_than_the_window(page: Page, tmp_path: Path, width: int, kind: str) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.get_by_label(kind).check()
    call(page)
    page.get_by_role("button", name=f"Play {LONG_NAME}").click()
    wait_until_heard(page)
    page.screenshot(path=tmp_path / f"{kind}-{width}.png", full_page=True)

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_everything_can_be_reached_by_keyboard_and_has_a_name(page: Page) -> None:
    expect(page.locator("#files .name")).to_have_count(3)
    page.evaluate("document.activeElement.blur()")
    names = []
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "(({labels, ariaLabel, textContent} = document.activeElement) =>"
            " document.activeElement === document.body ? null : labels?.[0]?.textContent || ariaLabel || textContent)()"
        )
        if name is None:
            break
        names.append(" ".join(name.split()))

    assert {
        "Echo You hear yourself.",
        "Call",
        "I wear headphones",
        "Volume",
        "Play short.wav",
        "REST reference",
    } <= set(names)
    assert "" not in names


def test_a_call_is_made_by_keyboard_alone(page: Page) -> None:
    page.get_by_label("Echo").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#connection-words")).to_have_text("Connected")
    expect(page.get_by_role("button", name="Hang up")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#connection-words")).to_have_text("No call")


@pytest.mark.parametrize("start", ["/", "/web/speak.html", "/web/stream.html"])
def test_the_other_pages_lead_here(page: Page, server: Served, start: str) -> None:
    page.goto(server.url + start)
    page.get_by_role("link", name="A call").click()

    expect(page).to_have_title("Chorus: a call")
