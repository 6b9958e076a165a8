"""The page of takes and voices, in a real browser against the whole server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.browser import chromium
from tests.e2e.served import Served, served

EMAIL, PASSWORD = "ada@example.com", "a password of some length"
PAGE = "/web/speak.html"
CONNECTED = "#connection[data-state=open]"
READY = "#heard[data-status=ready][data-duration]"
FOX = ["The quick brown fox jumps over the lazy dog.", "Then he trips and falls.", "Nobody saw it, luckily."]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("data"), ADMIN_EMAIL=EMAIL, ADMIN_PASSWORD=PASSWORD) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(viewport={"width": 1280, "height": 1000}, accept_downloads=True) as opened:
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


def sign_in(page: Page, server: Served, query: str = "", password: str = PASSWORD) -> None:
    page.goto(server.url + PAGE + query)
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def studio(page: Page, server: Served, query: str = "") -> None:
    sign_in(page, server, query)
    page.wait_for_selector(CONNECTED)


def speak(page: Page) -> None:
    page.get_by_role("button", name="Speak", exact=True).click()


def drawn(page: Page) -> int:
    """Pixels of the waveform."""
    counted = page.evaluate(
        "() => { const wave = document.querySelector('#wave');"
        " const { data } = wave.getContext('2d').getImageData(0, 0, wave.width, wave.height);"
        " return data.filter((_, n) => n % 4 === 3 && data[n]).length; }"
    )
    return int(counted)


@pytest.mark.parametrize("query", ["", "?mode=chunks"])
def test_a_take_is_heard_while_it_is_made(page: Page, server: Served, tmp_path: Path, query: str) -> None:
    studio(page, server, query)

    page.get_by_role("button", name="A fox").click()
    speak(page)
    page.wait_for_selector("#heard[data-playing=true]")
    page.wait_for_selector(READY)

    expect(page.locator("#parts .words")).to_have_text(FOX)
    expect(page.locator("#facts")).to_contain_text("22.05 kHz · 3 parts · the first sound after")
    expect(page.locator("#progress")).to_have_js_property("value", 5)
    assert 3 < float(page.locator("#heard").get_attribute("data-duration") or 0) < 10
    assert drawn(page) > 1000
    page.screenshot(path=tmp_path / "take.png", full_page=True)
    assert (tmp_path / "take.png").stat().st_size > 20_000
    expect(page.locator("#parts .spoken")).to_have_count(3, timeout=20_000)  # it was played to its end
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()


def test_a_voice_is_made_heard_and_used(page: Page, server: Served) -> None:
    studio(page, server)

    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("Gender").select_option("female")
    page.get_by_label("Description").fill("deep and calm")
    page.locator("#voice-prosody").get_by_label("Pitch").fill("4")
    page.get_by_role("button", name="Make voice").click()

    expect(page.locator("#voice-status")).to_have_text("Ada Lovelace is ready, and chosen.")
    page.wait_for_selector(READY)
    expect(page.locator("#voice option:checked")).to_have_text("Ada Lovelace")
    speak(page)
    page.wait_for_selector(READY)
    expect(page.locator("#takes li")).not_to_have_count(0)


def test_prosody_and_style_change_how_it_sounds(page: Page, server: Served) -> None:
    studio(page, server, "?text=One%20and%20the%20same%20line.")
    speak(page)
    page.wait_for_selector(READY)
    plain = float(page.locator("#heard").get_attribute("data-duration") or 0)

    page.get_by_text("How it is spoken").click()
    page.get_by_label("Style", exact=True).select_option("solemn")
    page.locator("#take-prosody").get_by_label("Pace").fill("-8")
    speak(page)
    page.wait_for_selector("#heard:not([data-duration])")
    page.wait_for_selector(READY)

    assert float(page.locator("#heard").get_attribute("data-duration") or 0) > 1.3 * plain


@pytest.mark.parametrize(
    ("format", "magic"),
    [("WAV", b"RIFF"), ("MP3", b""), ("FLAC", b"fLaC"), ("M4A", b""), ("WebM", b"\x1a\x45\xdf\xa3")],
)
def test_a_take_can_be_saved_in_every_format(page: Page, server: Served, format: str, magic: bytes) -> None:
    studio(page, server, "?text=Hello.")
    speak(page)
    page.wait_for_selector(READY)

    with page.expect_download() as download:
        page.get_by_role("button", name=format).click()

    assert download.value.suggested_filename.endswith(f".{format.lower()}")
    saved = download.value.path().read_bytes()
    assert saved.startswith(magic) and len(saved) > 1000


def test_an_old_take_can_be_heard_again(page: Page, server: Served) -> None:
    studio(page, server, "?text=Heard%20before.%20And%20again.")
    speak(page)
    page.wait_for_selector(READY)
    page.reload()  # it stays signed in
    page.wait_for_selector(CONNECTED)

    page.locator("#takes button").first.click()

    page.wait_for_selector(READY)
    expect(page.locator("#parts .words")).to_have_text(["Heard before. And again."])
    expect(page.locator("#parts .spoken")).to_have_count(1, timeout=20_000)


def test_stopping_ends_the_sound(page: Page, server: Served) -> None:
    studio(page, server)
    page.get_by_role("button", name="A fox").click()
    speak(page)
    page.wait_for_selector("#heard[data-playing=true]")

    page.get_by_role("button", name="Stop").click()

    expect(page.locator("#heard")).to_have_attribute("data-playing", "false")
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()


def test_what_cannot_be_spoken_is_told_in_words(page: Page, server: Served) -> None:
    studio(page, server, "?text=%20")
    speak(page)
    expect(page.get_by_role("alert")).to_have_text("Write a text first.")

    page.get_by_label("Text", exact=True).fill("\u200b")
    speak(page)

    expect(page.get_by_role("alert")).to_contain_text("nothing in it that can be spoken")
    page.get_by_label("Text", exact=True).fill("Hello.")
    speak(page)
    page.wait_for_selector(READY)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_wrong_password_is_told(context: BrowserContext, server: Served) -> None:
    page = context.new_page()  # the browser itself complains of the refusal
    sign_in(page, server, password="wrong")

    expect(page.locator("#sign-in-error")).to_be_visible()
    expect(page.locator("#studio")).to_be_hidden()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector(CONNECTED)


def test_signing_out_ends_the_session(page: Page, server: Served) -> None:
    studio(page, server)

    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_label("Email")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    expect(page.get_by_label("Email")).to_be_visible()


def test_a_session_that_has_ended_is_begun_anew(context: BrowserContext, server: Served) -> None:
    page = context.new_page()  # the browser itself complains of the refusal
    page.add_init_script(
        "sessionStorage.setItem('chorus-speak-tokens', JSON.stringify({token: 'old', refreshToken: 'spent'}))"
    )
    page.goto(server.url + PAGE)

    expect(page.locator("#sign-in-error")).to_contain_text("Please sign in")


def test_everything_has_a_name_and_nothing_is_loaded_from_elsewhere(page: Page, server: Served) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    studio(page, server)

    names = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "(({labels, ariaLabel, textContent} = document.activeElement) =>"
            " document.activeElement === document.body ? null : labels?.[0]?.textContent || ariaLabel || textContent)()"
        )
        if name is None:
            break
        names.append(name.strip())

    assert {"Model", "Voice", "Language", "Speak", "Name", "Pitch", "Make voice", "REST reference"} <= set(names)
    assert "" not in names
    assert len(asked) > 10 and all(url.startswith(server.url) for url in asked)


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_the_window(page: Page, server: Served, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    studio(page, server)
    page.get_by_text("How it is spoken").click()
    page.get_by_role("button", name="A fox").click()
    speak(page)
    page.wait_for_selector(READY)

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_start_page_leads_here(page: Page, server: Served) -> None:
    page.goto(server.url)
    page.get_by_role("link", name="Takes and voices").click()

    expect(page.get_by_label("Email")).to_be_visible()


def test_chunks_at_another_rate_are_rendered_without_a_gap(page: Page, server: Served) -> None:
    """A tone of 22,050 Hz in chunks of 2048 samples, as the browser's own engine renders it at 48 kHz."""
    page.goto(server.url + PAGE)

    worst = page.evaluate(
        """async () => {
            const { Player, TakePlayer } = await import("/sdk/speak.js");
            const offline = new OfflineAudioContext(1, 2 * 48000, 48000);
            const context = {
                state: "running", currentTime: 0, sampleRate: 48000, destination: offline.destination,
                addEventListener() {},
                createGain: () => offline.createGain(),
                createBuffer: (...given) => offline.createBuffer(...given),
                createBufferSource: () => offline.createBufferSource(),
            };
            const player = new TakePlayer(new Player({ context, gestures: null }));
            const tone = (n, rate) => 0.5 * Math.sin(2 * Math.PI * 997 * n / rate);
            const pcm = new Uint8Array(Int16Array.from({ length: 33075 }, (_, n) => 32768 * tone(n, 22050)).buffer);
            const header = { sampleRate: 22050, channels: 1, sampleBytes: 2, dataStart: 44, dataBytes: pcm.length };
            for (let at = 0, chunkId = 0; at < pcm.length; at += 4096, chunkId += 1) {
                const piece = pcm.subarray(at, at + 4096);
                player.play({ type: "chunk", partId: 0, chunkId, header, audio: piece, pcm: piece });
            }
            player.play({ type: "end" });
            const rendered = (await offline.startRendering()).getChannelData(0);
            let worst = 0;
            for (let n = 1000; n < 70000; n += 1) {
                worst = Math.max(worst, Math.abs(rendered[n + 960] - tone(n, 48000)));
            }
            return worst;
        }"""
    )

    assert worst < 0.001  # of full scale; one lost sample would make 0.06
