// Talks to a running server with the JavaScript client, and prints what came of it.
//
//     node --experimental-websocket live.mjs URL LONG_TEXT

import { DanmuClient } from "../../../app/sdk/js/danmu.js";

const [, , url, longText] = process.argv;
const client = new DanmuClient(url);
await client.connect();
const speech = await client.speak("你好，欢迎来到直播间！");
let text = "";
for await (const chunk of client.stream(longText)) text += chunk.text;
const { code, details } = await client.speak("hello", { backend: "edge" }).catch((error) => error);
const chinese = (await client.voices({ language: "zh-CN" })).length;
client.close();
console.log(
  JSON.stringify({
    magic: new TextDecoder().decode(speech.audio.slice(0, 4)),
    duration: speech.metadata.duration,
    text,
    code,
    available: details.available_backends,
    chinese,
    state: client.state,
  }),
);
