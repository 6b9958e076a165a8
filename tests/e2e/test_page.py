"""The page at `/`, in a real browser against the whole server."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.browser import chromium
from tests.e2e.served import Served, served

KEY = "an-api-key-for-the-page"
LONG_TEXT = "今晚八点准时开播，先到先得，错过等明年。我们先来听一首老歌，再和大家聊聊这周发生的趣事。" * 2
CONNECTED = "#connection[data-state=open]"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture
def server_with_key(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, API_KEYS=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as opened:
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


def open_page(page: Page, server: Served, address: str = "/") -> None:
    page.goto(server.url + address)
    page.wait_for_selector(CONNECTED)


def seconds_spoken(page: Page) -> float:
    """Wait until all has arrived; returns how long it is, as the browser decoded it."""
    page.wait_for_selector("#heard[data-duration]")
    decoded = page.wait_for_function("Number(document.querySelector('#heard').dataset.decoded) || null")
    return float(decoded.json_value())


def test_a_visitor_types_a_line_and_hears_it(page: Page, server: Served) -> None:
    open_page(page, server)

    page.get_by_label("Text", exact=True).fill("你好，欢迎来到直播间！")
    page.get_by_role("button", name="Speak", exact=True).click()

    told = float(page.locator("#heard[data-duration]").get_attribute("data-duration") or 0)
    assert seconds_spoken(page) == pytest.approx(told, abs=0.01)
    assert 1 < told < 5
    expect(page.locator("#facts")).to_contain_text("Chinese (Mandarin)")
    expect(page.locator("#script .spoken")).to_have_text("你好，欢迎来到直播间！")  # it was played to its end
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()


def test_a_long_text_comes_in_pieces_that_join_to_it(page: Page, server: Served) -> None:
    open_page(page, server)

    page.get_by_label("Text", exact=True).fill(LONG_TEXT)
    page.keyboard.press("Control+Enter")

    assert seconds_spoken(page) > 5
    assert page.locator("#script span").count() > 1
    expect(page.locator("#script")).to_have_text(LONG_TEXT)
    expect(page.locator("#script .now")).to_have_count(1)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#script .now")).to_have_count(0)


@pytest.mark.parametrize("format", ["wav", "mp3", "ogg", "flac", "aac"])
def test_the_browser_plays_every_format(page: Page, server: Served, format: str) -> None:
    open_page(page, server, f"/?format={format}&text=Hello,%20world!")

    page.get_by_role("button", name="Speak", exact=True).click()

    assert seconds_spoken(page) > 0.5
    expect(page.locator("#facts")).to_contain_text(format.upper())


def test_a_voice_can_be_chosen_and_the_speech_saved(page: Page, server: Served) -> None:
    open_page(page, server)
    page.wait_for_selector("#language option[value=de]", state="attached")

    page.get_by_label("Language").select_option("de")
    page.get_by_label("Voice").select_option("de+f2")
    page.get_by_label("Text", exact=True).fill("Guten Abend!")
    page.get_by_role("button", name="Speak", exact=True).click()

    expect(page.locator("#facts")).to_contain_text("German, female 2")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save").click()
    assert download.value.suggested_filename == "speech.wav"
    assert download.value.path().read_bytes().startswith(b"RIFF")


def test_engines_queue_and_server_are_shown(page: Page, server: Served) -> None:
    open_page(page, server)

    expect(page.locator("#engines li")).to_have_count(1)
    expect(page.locator("#engines")).to_contain_text("espeak")
    expect(page.locator("#engines")).to_contain_text("ready")
    expect(page.locator("#queue")).to_have_text("Nobody waits.")
    expect(page.locator("#connected")).to_have_text(re.compile(r"[1-9]\d*"))
    expect(page.locator("#address")).to_have_text(server.ws_url)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/?backend=edge", "The engine “edge” is not available here. Available: espeak."),
        ("/?text=%20%20", "Write a line first."),
        ("/?text=%E2%80%8B", "The server cannot speak this"),
    ],
)
def test_errors_are_told_in_words(page: Page, server: Served, address: str, words: str) -> None:
    open_page(page, server, address)

    page.get_by_role("button", name="Speak", exact=True).click()

    expect(page.get_by_role("alert")).to_contain_text(words)
    expect(page.locator("#heard")).to_be_hidden()


def test_after_an_error_it_speaks_on(page: Page, server: Served) -> None:
    open_page(page, server, "/?text=%20")
    page.get_by_role("button", name="Speak", exact=True).click()

    page.get_by_role("button", name="主播好棒！").click()

    assert seconds_spoken(page) > 0.3
    expect(page.get_by_role("alert")).to_be_hidden()


def test_everything_can_be_reached_by_keyboard_and_has_a_name(page: Page, server: Served) -> None:
    open_page(page, server)

    names = []
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "(({labels, ariaLabel, textContent} = document.activeElement) =>"
            " document.activeElement === document.body ? null : labels?.[0]?.textContent || ariaLabel || textContent)()"
        )
        if name is None:
            break
        names.append(name.strip())

    assert names[0] == "Skip to the text"
    assert {"Text", "Language", "Quality", "Format", "Speak", "Volume", "Copy", "REST reference"} <= set(names)
    assert "" not in names


def test_nothing_is_loaded_from_elsewhere(page: Page, server: Served) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    open_page(page, server)

    assert len(asked) > 5 and all(url.startswith(server.url) for url in asked)


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_the_window(page: Page, server: Served, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    open_page(page, server)
    page.get_by_role("button", name="长一点的").click()
    page.wait_for_selector("#heard[data-duration]")

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_lost_connection_is_told(context: BrowserContext, tmp_path: Path) -> None:
    page = context.new_page()  # the browser itself complains when the server is gone
    with served(tmp_path) as server:
        open_page(page, server)

    expect(page.locator("#connection")).to_have_attribute("data-state", "waiting")
    expect(page.locator("#connection-words")).to_contain_text("next try in")
    expect(page.get_by_role("button", name="Try now")).to_be_visible()


def test_a_wrong_token_is_asked_for_again(context: BrowserContext, server_with_key: Served) -> None:
    page = context.new_page()  # the browser itself complains of each refusal
    page.goto(f"{server_with_key.url}/#token=wrong")

    page.get_by_label("This server wants a token").fill(KEY)
    page.get_by_role("button", name="Use it").click()

    page.wait_for_selector(CONNECTED)
    expect(page.locator("#engines")).to_contain_text("espeak")
    expect(page.get_by_label("This server wants a token")).to_be_hidden()


def test_a_closed_server_opens_to_a_token(page: Page, tmp_path: Path) -> None:
    with served(tmp_path, AUTH_REQUIRED="true", API_KEYS=KEY) as server:
        open_page(page, server, f"/?token={KEY}")
        expect(page.locator("#engines")).to_contain_text("espeak")

        page.get_by_role("button", name="Thank you for the gift!").click()

        assert seconds_spoken(page) > 0.5
        page.goto("about:blank")
    assert KEY not in server.log
