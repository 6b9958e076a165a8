// Plays a scene with the document's JavaScript clients as they are, and prints what came of it.
//
//     node --experimental-websocket run_danmu_document_client.mjs SCENE URL VOICE BACKEND

import { resolveObjectURL } from "node:buffer";
import { readFileSync } from "node:fs";

const [, , scene, url, voice, backend] = process.argv;
const source = readFileSync(new URL("danmu_document_client.js", import.meta.url), "utf8");
// The file is a classic script, as the document prints it for a page.
const { DanmuTTSWebSocketClient, DanmuProcessor } = new Function(
  `${source}\nreturn { DanmuTTSWebSocketClient, DanmuProcessor };`,
)();

const scenes = {
  async speak() {
    const client = new DanmuTTSWebSocketClient(url);
    await client.connect();
    const voicesResponse = await client.getVoices({ language: "zh-CN" });
    const told = { voices: voicesResponse.data.voices };
    try {
      told.result = await client.synthesize("你好，世界！", { voice, backend });
    } catch (error) {
      told.rejected = error.message;
    }
    client.disconnect();
    return told;
  },

  async heartbeat() {
    const client = new DanmuTTSWebSocketClient(url);
    await client.connect();
    const send = client.ws.send.bind(client.ws);
    const acknowledged = await new Promise((resolve) => {
      client.ws.send = (text) => {
        send(text);
        resolve(JSON.parse(text));
      };
    });
    const result = await client.synthesize("你好，世界！", { voice, backend });
    client.disconnect();
    return { acknowledged, result };
  },

  async process() {
    const played = [];
    const processor = new DanmuProcessor();
    const allPlayed = new Promise((resolve) => {
      // A page has a loudspeaker; here a sound ends as soon as it has been taken down.
      globalThis.Audio = class {
        constructor(source) {
          this.source = source;
        }

        async play() {
          const blob = resolveObjectURL(this.source);
          played.push({ type: blob.type, audio: Buffer.from(await blob.arrayBuffer()).toString("base64") });
          this.onended();
          if (played.length === 2) resolve();
        }
      };
    });
    processor.ttsClient.uri = url;
    const synthesize = processor.ttsClient.synthesize.bind(processor.ttsClient);
    processor.ttsClient.synthesize = (text, options) => synthesize(text, { ...options, voice, backend });
    await processor.initialize();
    processor.processDanmu("用户123", "主播好棒！");
    processor.processDanmu("观众456", "来个才艺表演吧");
    processor.processDanmu("bot", "this is spam");
    await allPlayed;
    processor.ttsClient.disconnect();
    return { played };
  },
};

console.log = console.error; // the clients' own words
process.stdout.write(JSON.stringify(await scenes[scene]()));
