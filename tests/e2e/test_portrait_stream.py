"""Whether a real browser plays what the encoder streams, fragment by fragment."""

import base64
from itertools import pairwise

import pytest

from app.lipsync.encode import StreamedVideo
from tests.e2e.browser import chromium
from tests.lipsync.test_encode import FPS, RATE, form, picture, sound

pytestmark = [pytest.mark.browser]

PLAY = """
async ([codecs, parts]) => {
  const type = `video/mp4; codecs="${codecs}"`;
  if (!MediaSource.isTypeSupported(type)) return {isSupported: false};
  const video = document.createElement("video");
  video.muted = true;
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  await new Promise(done => source.addEventListener("sourceopen", done, {once: true}));
  const buffer = source.addSourceBuffer(type), ends = [];
  for (const part of parts) {
    buffer.appendBuffer(Uint8Array.from(atob(part), character => character.charCodeAt(0)));
    await new Promise((done, failed) => {
      buffer.addEventListener("updateend", done, {once: true});
      buffer.addEventListener("error", () => failed(video.error?.message), {once: true});
    });
    ends.push(buffer.buffered.length ? buffer.buffered.end(0) : 0);
  }
  source.endOfStream();
  const start = buffer.buffered.start(0), ranges = buffer.buffered.length;
  video.playbackRate = 4;
  await video.play();
  await new Promise((done, failed) => {
    video.addEventListener("ended", done, {once: true});
    video.addEventListener("error", () => failed(video.error?.message), {once: true});
  });
  const frames = video.getVideoPlaybackQuality();
  return {isSupported: true, ends, start, ranges, duration: video.duration, width: video.videoWidth,
          corrupted: frames.corruptedVideoFrames};
}
"""


def test_a_browser_plays_fragments_as_they_come() -> None:
    video = StreamedVideo(form())
    codecs, samples, parts = video.writer.codecs, sound(3), []
    for number in range(3 * FPS):
        video.writer.write_picture(picture(number))
        video.writer.write_sound(samples[number * RATE // FPS : (number + 1) * RATE // FPS])
        if part := video.take():
            parts.append(part)
    parts.append(video.finish())
    with chromium() as browser, browser.new_page() as page:
        played = page.evaluate(PLAY, [codecs, [base64.b64encode(part).decode() for part in parts]])
    assert played["isSupported"], f"the browser does not know {codecs}"
    assert played["ranges"] == 1 and played["start"] < 0.05 and played["corrupted"] == 0
    assert all(before < after for before, after in pairwise(played["ends"]))
    assert played["duration"] == pytest.approx(3, abs=0.06) and played["width"] == 128
