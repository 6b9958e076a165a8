import assert from "node:assert/strict";
import { test } from "node:test";

import { PortraitPlayer } from "../../../app/sdk/js/portrait_player.js";
import { settle } from "./fakes.mjs";

const CODECS = "avc1.64001e, mp4a.40.2";
const OPENING = { type: "opening", codecs: CODECS };
const PORTRAIT = { type: "portrait", video: new Blob(["whole"]) };
const fragment = (...bytes) => ({ type: "fragment", data: Uint8Array.from(bytes) });

class FakeVideo extends EventTarget {
  currentTime = 0;
  error = null;
  plays = 0;

  async play() {
    this.plays += 1;
  }

  load() {}

  removeAttribute(name) {
    this[name] = null;
  }
}

/** A browser whose buffers take so many bytes; each byte is a second. */
function fakeBrowser(t, { room = Infinity, codecs = CODECS, has = true } = {}) {
  const shown = new Map();
  t.mock.method(URL, "createObjectURL", (content) => {
    shown.set(`blob:${shown.size}`, content);
    return `blob:${shown.size - 1}`;
  });
  const revoked = [];
  t.mock.method(URL, "revokeObjectURL", (url) => revoked.push(url));

  class Buffer extends EventTarget {
    #start = 0;
    bytes = [];

    get buffered() {
      return { length: Math.min(1, this.bytes.length), start: () => this.#start };
    }

    appendBuffer(data) {
      if (this.bytes.length + data.length > room) throw new DOMException("full", "QuotaExceededError");
      this.bytes.push(...data);
      this.#tell();
    }

    remove(start, end) {
      this.bytes.splice(0, end - this.#start);
      this.#start = end;
      this.#tell();
    }

    #tell() {
      setImmediate(() => this.dispatchEvent(new Event("updateend")));
    }
  }

  class MediaSource extends EventTarget {
    static isTypeSupported = (type) => type === `video/mp4; codecs="${codecs}"`;
    readyState = "closed";

    constructor() {
      super();
      setImmediate(() => {
        this.readyState = "open";
        this.dispatchEvent(new Event("sourceopen"));
      });
    }

    addSourceBuffer() {
      return (this.buffer = new Buffer());
    }

    endOfStream() {
      this.readyState = "ended";
    }
  }

  const video = new FakeVideo();
  const player = new PortraitPlayer(video, { MediaSource: has ? MediaSource : null });
  return { video, player, revoked, source: () => shown.get(video.src) };
}

async function* stream(...events) {
  yield* events;
}

async function turns(count = 20) {
  for (let turn = 0; turn < count; turn += 1) await settle();
}

test("fragments are appended as they come, and it begins to play with the first", async (t) => {
  const { video, player, source } = fakeBrowser(t);
  const portrait = await player.play(stream(OPENING, fragment(1, 2), fragment(3), PORTRAIT));
  assert.deepEqual([portrait, video.plays, video.disableRemotePlayback], [PORTRAIT, 2, true]);
  assert.deepEqual([source().buffer.bytes, source().readyState], [[1, 2, 3], "ended"]);
});

for (const [what, options] of [["the codecs are not known", { codecs: "other" }], ["there is no MediaSource", { has: false }]]) {
  test(`where ${what} the whole file is played at its end`, async (t) => {
    const { video, player, source } = fakeBrowser(t, options);
    assert.equal(player.canStream(CODECS), false);
    const playing = player.play(stream(OPENING, fragment(1), PORTRAIT));
    assert.equal(video.plays, 1); // within the gesture
    await playing;
    assert.deepEqual([source(), video.plays], [PORTRAIT.video, 2]);
  });
}

test("a file can be played without a stream", async (t) => {
  const { video, player, source } = fakeBrowser(t);
  player.show(PORTRAIT.video);
  assert.deepEqual([source(), video.plays], [PORTRAIT.video, 1]);
});

test("where there is no room for all, what has been seen makes room, and at the end the file is there", async (t) => {
  const { video, player, source } = fakeBrowser(t, { room: 20 });
  const twelve = Array.from({ length: 12 }, (_, n) => n);
  const playing = player.play(stream(OPENING, fragment(...twelve), fragment(...twelve), PORTRAIT));
  await turns();
  const first = source();
  assert.deepEqual([first.buffer.bytes.length, first.readyState], [12, "open"]);
  video.currentTime = 9; // less than what is kept of what has been seen
  video.dispatchEvent(new Event("timeupdate"));
  await turns();
  assert.equal(first.buffer.bytes.length, 12);
  video.currentTime = 15;
  video.dispatchEvent(new Event("timeupdate"));
  assert.equal(await playing, PORTRAIT);
  assert.deepEqual([first.buffer.bytes.length, first.readyState], [19, "ended"]);
  assert.equal(source(), first);
  video.dispatchEvent(new Event("ended"));
  assert.deepEqual([source(), video.plays], [PORTRAIT.video, 2]); // from its beginning, when it is wanted
});

test("another one takes its place, and the first is left", async (t) => {
  const { player, source, revoked } = fakeBrowser(t);
  let wasLeft = false;
  let release;
  const slow = (async function* () {
    try {
      yield OPENING;
      yield fragment(1);
      await new Promise((resolve) => (release = resolve));
      yield fragment(2);
    } finally {
      wasLeft = true;
    }
  })();
  const first = player.play(slow);
  await turns();
  const abandoned = source();
  const second = await player.play(stream(OPENING, fragment(3), PORTRAIT));
  release();
  assert.deepEqual([await first, second, wasLeft], [null, PORTRAIT, true]);
  assert.deepEqual([abandoned.buffer.bytes, source().buffer.bytes, revoked], [[1], [3], ["blob:0"]]);
});

test("stopping lets go of one that waits for room", async (t) => {
  const { video, player } = fakeBrowser(t, { room: 1 });
  const playing = player.play(stream(OPENING, fragment(1, 2), PORTRAIT));
  await turns();
  player.stop();
  assert.deepEqual([await playing, video.src], [null, null]);
});

test("what the stream throws is thrown", async (t) => {
  const { player } = fakeBrowser(t);
  const broken = (async function* () {
    yield OPENING;
    throw new Error("no face");
  })();
  await assert.rejects(player.play(broken), /no face/);
});

test("what the browser cannot decode is told in its words", async (t) => {
  const { video, player, source } = fakeBrowser(t);
  const events = (async function* () {
    yield OPENING;
    source().buffer.appendBuffer = () => {
      throw new DOMException("closed", "InvalidStateError");
    };
    video.error = { message: "it cannot be decoded" };
    yield fragment(1);
  })();
  await assert.rejects(player.play(events), /it cannot be decoded/);
});

test("it is played again from its beginning", async (t) => {
  const { video, player } = fakeBrowser(t);
  player.show(PORTRAIT.video);
  video.currentTime = 5;
  player.replay();
  assert.deepEqual([video.currentTime, video.plays], [0, 2]);
});

test("a browser that lets nothing play without a gesture is no error", async (t) => {
  const { video, player } = fakeBrowser(t);
  video.play = () => Promise.reject(new DOMException("no gesture", "NotAllowedError"));
  assert.equal(await player.play(stream(OPENING, fragment(1), PORTRAIT)), PORTRAIT);
});
