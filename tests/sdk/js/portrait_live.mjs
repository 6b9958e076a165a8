// Talks to a running server with the JavaScript client of portraits, and prints what came of it.
//
//     node --experimental-websocket portrait_live.mjs URL PICTURE SOUND

import { readFile } from "node:fs/promises";

import { Portraits } from "../../../app/sdk/js/portrait.js";

const [, , url, picture, sound] = process.argv;
const portraits = new Portraits(url);
const image = new Blob([await readFile(picture)], { type: "image/png" });
const audio = new Blob([await readFile(sound)]);
const wanted = { audio, model: "flat" };

const uploaded = await portraits.upload(image);
const percents = [];
const whole = await portraits.speak(image, { ...wanted, onProgress: ({ percent }) => percents.push(percent) });

const types = [];
let streamed;
for await (const event of portraits.stream(image, wanted)) {
  types.push(event.type);
  streamed = event;
}

const abort = new AbortController();
const cancelled = portraits.speak(image, { ...wanted, signal: abort.signal, onProgress: () => abort.abort() });
const reason = await cancelled.catch(({ name }) => name);
const after = await portraits.speak(image, wanted);

const refused = await portraits.speak(null, { ...wanted, imageId: "0".repeat(64) }).catch(({ code, details }) => [code, details.field]);
const noPicture = await portraits.upload(new Blob(["no picture"], { type: "image/png" })).catch(({ code }) => code);
portraits.close();

console.log(
  JSON.stringify({
    uploaded,
    imageId: whole.imageId,
    frames: [whole.frames, streamed.frames, after.frames],
    sizes: [whole.video.size === whole.videoSize, streamed.video.size === streamed.videoSize],
    percent: percents.at(-1),
    types: [...new Set(types)],
    reason,
    refused,
    noPicture,
  }),
);
