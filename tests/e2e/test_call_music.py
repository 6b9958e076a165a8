"""Music on the line of a browser's call, from a track of the catalogue to the words on the page."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import chromium
from tests.e2e.served import served
from tests.e2e.test_stream_page import write_wav
from tests.e2e.test_tracks import app
from tests.fingerprint.music import tune

RATE = 48_000  # of what a fake microphone plays

pytestmark = pytest.mark.browser


def test_the_music_on_the_line_is_told(tmp_path: Path) -> None:
    music, data = tmp_path / "music", tmp_path / "data"
    for folder in (music, data):
        folder.mkdir()
    song = write_wav(music / "Harbour Lights.wav", tune(7, seconds=30, sample_rate=RATE), rate=RATE)
    app(data, "ingest", str(music))
    microphone = f"--use-file-for-fake-audio-capture={song}"
    arguments = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", microphone)
    with served(data) as server, chromium(*arguments) as browser, browser.new_page() as page:
        page.goto(server.url + "/web/call.html")
        page.get_by_label("Recognise").check()
        page.get_by_role("button", name="Call", exact=True).click()

        expect(page.locator("#news")).to_have_text("It is Harbour Lights.", timeout=60_000)
        expect(page.locator("#place")).to_have_text(re.compile(r"^At 0:\d\d in the track, [\d.]+\s% sure$"))
        expect(page.locator("#frames-heard")).to_have_text("0")
