// Plays a scene with the document's JavaScript, and prints what came of it.
//
//     node --experimental-websocket run_stream_document_client.mjs SCENE URL [SOUND]
//
// SOUND is a file of samples: float32, little-endian, mono, 22050 Hz.

import { readFileSync } from "node:fs";

const [, , scene, url, sound] = process.argv;
const source = readFileSync(new URL("stream_document_client.js", import.meta.url), "utf8");
const told = [];
const page = {
  WebSocket,
  setTimeout,
  console: {
    log: (...words) => told.push(words.join(" ")),
    error: (...words) => told.push(`error: ${words.join(" ")}`),
  },
};

/** The file is a classic script; `page` is what it finds around itself. */
function load() {
  const script = new Function(...Object.keys(page), `${source}\nreturn { connect, ReconnectingClient };`);
  return script(...Object.values(page));
}

const scenes = {
  match() {
    return new Promise((resolve) => {
      let matched = null;
      const ws = load().connect(url, {
        onopen() {
          // What the document's script processor gives: 4096 samples at a time.
          for (let n = 0; n < 6; n += 1) ws.send(new Float32Array(4096).fill(0.5).buffer);
        },
        displayMatches(matches, message) {
          matched = { matches, message };
          ws.close(1000);
        },
        onclose: (event) => resolve({ told, ...matched, code: event.code }),
      });
    });
  },

  play() {
    const bytes = readFileSync(sound);
    const samples = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    return new Promise((resolve) => {
      const matches = [];
      const ws = load().connect(url, {
        async onopen() {
          const began = performance.now();
          for (let at = 0; at < samples.length; at += 4096) {
            const due = began + (at / 22050) * 1000;
            await new Promise((go) => setTimeout(go, due - performance.now()));
            const audioData = samples.slice(at, at + 4096);
            ws.send(audioData.buffer);
          }
          setTimeout(() => ws.close(1000), 1000);
        },
        displayMatches: (found, message) => matches.push({ found, stats: message.data.stats }),
        onclose: (event) => resolve({ told, matches, code: event.code }),
      });
    });
  },

  reconnect() {
    const delays = [];
    let opened = 0;
    return new Promise((resolve) => {
      page.setTimeout = (call, ms) => {
        delays.push(ms);
        if (delays.length === 7) resolve({ delays, opened });
        else setTimeout(call, ms / 100); // nobody waits for half a minute here
      };
      page.WebSocket = class extends WebSocket {
        constructor(...parameters) {
          super(...parameters);
          let ended = false;
          this.addEventListener("open", () => (opened += 1));
          this.addEventListener("close", () => (ended = true));
          // A browser says "close" after a handshake that failed (WHATWG WebSockets, 4); Node.js 20 does not.
          this.addEventListener("error", () => setTimeout(() => ended || this.dispatchEvent(new Event("close")), 5));
        }
      };
      const { ReconnectingClient } = load();
      new ReconnectingClient(url);
    });
  },
};

process.stdout.write(JSON.stringify(await scenes[scene]()), () => process.exit(0));
