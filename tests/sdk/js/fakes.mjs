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
      const data = typeof message === "string" ? message : JSON.stringify(message);
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
  state = "running";
  destination = {};
  sources = [];

  createGain() {
    const gain = { value: 1, setTargetAtTime: (value) => (gain.value = value) };
    return { gain, connect() {} };
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
