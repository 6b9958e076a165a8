"""The page of recognition in a real browser, at the real server, with music in front of the microphone."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.audio.sound_files import write_sound
from tests.e2e.browser import chromium
from tests.e2e.served import Served, served
from tests.e2e.test_tracks import SECRET, Administrator, app, song
from tests.fingerprint.music import tune

TITLES = ("Harbour Lights", "Night Ferry", "Gulls at Noon")
SOON = 60_000
"""Milliseconds for what takes a few seconds on a machine that does nothing else."""
CAPTURE_HZ = 48_000

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("server")
    with (folder / "songs.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "title", "url"))
        for number, title in enumerate(TITLES):
            rows.writerow((song(folder / "songs", number), title, f"https://music.example/{number}"))
    app(folder, "ingest", str(folder / "songs.csv"))
    with served(folder, AUTH_SECRET=SECRET) as running:
        Administrator(running, folder).wait_until_found(len(TITLES), within=60)
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser whose microphone hears the second song over and over."""
    folder = tmp_path_factory.mktemp("sound")
    sound = tune(1, sample_rate=CAPTURE_HZ)
    heard = write_sound(folder / "heard.wav", sound, sample_rate=CAPTURE_HZ, codec="pcm_s16le")
    with chromium(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={heard}",
    ) as started:
        yield started


@pytest.fixture(params=[(1280, 1000), (1920, 1080)], ids=lambda size: f"{size[0]}x{size[1]}")
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that must not complain."""
    width, height = request.param
    with browser.new_context(viewport={"width": width, "height": height}, permissions=["microphone"]) as context:
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        assert complaints == []


def test_the_page_names_what_the_microphone_hears_and_what_a_file_plays(
    server: Served, page: Page, tmp_path: Path
) -> None:
    page.goto(server.url + "/web/stream.html")
    page.get_by_role("button", name="Listen").click()

    expect(page.get_by_role("link", name=TITLES[1])).to_have_attribute("href", "https://music.example/1", timeout=SOON)
    expect(page.locator("#hint")).to_have_text(f"It is {TITLES[1]}.")
    expect(page.locator("#track-place")).to_contain_text("in the track")
    page.screenshot(path=tmp_path / "microphone.png", full_page=True)

    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#connection-words")).to_have_text("Not listening")

    clip = tune(2, sample_rate=44_100)[4 * 44_100 : 12 * 44_100]
    page.get_by_label("Choose a file").set_input_files(
        write_sound(tmp_path / "clip.mp3", clip, sample_rate=44_100, codec="mp3")
    )
    expect(page.get_by_role("link", name=TITLES[2])).to_be_visible(timeout=SOON)
    page.screenshot(path=tmp_path / "file.png", full_page=True)
    expect(page.locator("#playing-file")).to_be_hidden(timeout=SOON)
    expect(page.locator("#heard .words")).to_contain_text([TITLES[1]])
