// What stands in the place of the network, of time and of a loudspeaker.

/** Lets everything go on that can. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

/** WebSockets whose server is played by the test; `sockets` has every one that was opened. */
export function fakeNetwork() {
  const sockets = [];
  class FakeWebSocket extends EventTarget {
    heard = [];
    closed = null;

    constructor(url) {
      super();
      this.url = url;
      sockets.push(this);
    }

    send(text) {
      this.heard.push(JSON.parse(text));
    }

    close() {
      this.closed = true;
    }

    accept() {
      this.dispatchEvent(new Event("open"));
    }

    say(message) {
      const isPlain = typeof message !== "string" && !(message instanceof ArrayBuffer);
      const data = isPlain ? JSON.stringify(message) : message;
      this.dispatchEvent(Object.assign(new Event("message"), { data }));
    }

    answer(request, type, data, status = "success") {
      this.say({ id: request.id, type, status, data });
    }

    speak(request, audio = "RIFF", more = {}) {
      const data = { audio_data: btoa(audio), metadata: { format: "wav" }, cached: false };
      this.answer(request, "tts_response", { ...data, ...more });
    }

    chunk(request, index, total, more = {}) {
      const data = { chunk_index: index, total_chunks: total, audio_data: btoa("RIFF"), text_chunk: `piece ${index}` };
      this.answer(request, "tts_chunk", { ...data, metadata: { format: "wav" }, ...more }, "processing");
    }

    fail(request, code, details = {}) {
      this.say({ id: request.id, type: "error", status: "error", error: { code, message: `it is ${code}`, details } });
    }

    hangUp(code = 1012, reason = "restarting") {
      this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
    }
  }
  return { sockets, FakeWebSocket };
}

/** Timers that fire when the test says so. */
export function fakeTimers() {
  const waiting = new Map();
  return {
    delays: [],
    setTimeout(callback, delay) {
      this.delays.push(delay);
      waiting.set(this.delays.length, callback);
      return this.delays.length;
    },
    clearTimeout(timer) {
      waiting.delete(timer);
    },
    get waiting() {
      return waiting.size;
    },
    fire() {
      const callbacks = [...waiting.values()];
      waiting.clear();
      for (const callback of callbacks) callback();
    },
  };
}

/** An AudioContext whose files are as long as their first byte says, in seconds, and whose time the test moves. */
export class FakeAudioContext extends EventTarget {
  currentTime = 0;
  sampleRate = 48000;
  state = "running";
  destination = {};
  sources = [];

  createGain() {
    const gain = { value: 1, setTargetAtTime: (value) => (gain.value = value) };
    return { gain, connect() {} };
  }

  createBuffer(channels, length, sampleRate) {
    const samples = new Float32Array(length);
    return { duration: length / sampleRate, samples, copyToChannel: (given) => samples.set(given) };
  }

  createBufferSource() {
    const source = {
      stopped: false,
      connect() {},
      disconnect() {},
      start: (at) => (source.startedAt = at),
      stop: () => (source.stopped = true),
    };
    this.sources.push(source);
    return source;
  }

  async decodeAudioData(bytes) {
    const [seconds, milliseconds = 0] = new Uint8Array(bytes);
    // Later pieces may be ready sooner.
    for (let turn = 0; turn < milliseconds; turn += 1) await settle();
    if (seconds === 0) throw new DOMException("cannot decode", "EncodingError");
    return { duration: seconds };
  }

  async resume() {
    this.state = "running";
    this.dispatchEvent(new Event("statechange"));
  }

  end(source) {
    this.currentTime = source.startedAt + source.buffer.duration;
    source.onended();
  }
}

/** A WAV file with the canonical header, of 16-bit mono samples. @param {number[]} samples */
export function wav(samples, sampleRate = 22050) {
  const file = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  [..."RIFF    WAVEfmt "].forEach((character, at) => file.setUint8(at, character.charCodeAt(0)));
  file.setUint32(4, 36 + 2 * samples.length, true);
  file.setUint32(16, 16, true);
  [1, 1].forEach((value, n) => file.setUint16(20 + 2 * n, value, true));
  file.setUint32(24, sampleRate, true);
  file.setUint32(28, 2 * sampleRate, true);
  [2, 16].forEach((value, n) => file.setUint16(32 + 2 * n, value, true));
  [..."data"].forEach((character, n) => file.setUint8(36 + n, character.charCodeAt(0)));
  file.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, n) => file.setInt16(44 + 2 * n, sample, true));
  return new Uint8Array(file.buffer);
}

/** A binary message of the speak API. */
export function frame(requestId, part, chunk, audio) {
  const metadata = { take_id: "t1", part_id: part, request_id: requestId, ...(chunk === null ? {} : { chunk_id: chunk }) };
  const head = new TextEncoder().encode(JSON.stringify(metadata));
  const message = new Uint8Array(8 + head.length + audio.length);
  message.set(new TextEncoder().encode("JSON"));
  new DataView(message.buffer).setUint32(4, head.length, true);
  message.set(head, 8);
  message.set(audio, 8 + head.length);
  return message.buffer;
}

/** Some items in another order, the same one for the same seed. @param {any[]} items @param {number} seed from 1 */
export function shuffled(items, seed) {
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  return items
    .map((item) => ({ item, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

/** A `fetch` whose server is a function from method, path and JSON to `[status, JSON, headers]`, and what it was asked. */
export function fakeFetch(answer) {
  const asked = [];
  const fetch = async (url, { method = "GET", headers = {}, body, signal } = {}) => {
    signal?.throwIfAborted();
    const request = { method, path: url.pathname + url.search, body: body && JSON.parse(body), headers };
    asked.push(request);
    const [status, content, more] = await answer(request);
    const isText = content instanceof Uint8Array || content === null;
    const response = new Response(isText ? content : JSON.stringify(content), { status, headers: more });
    return Object.defineProperty(response, "url", { value: String(url) });
  };
  return { asked, fetch };
}
