// Talks to a running server with the JavaScript client of the speak API, and prints what came of it.
//
//     node --experimental-websocket speak_live.mjs URL EMAIL PASSWORD TEXT

import { SpeakClient } from "../../../app/sdk/js/speak.js";

const [, , url, email, password, text] = process.argv;
let tokens = null;
const client = new SpeakClient(url, { email, password, onTokens: (...given) => (tokens = given) });
const [model] = await client.models();
const voice = await client.generateVoice("Ada", model.name, "female", { defaultProsody: { pitch: 2, pace: 0, expression: 0 } });
const stream = client.stream({ model: model.name });
await stream.connect();

const heard = {};
for (const mode of ["parts", "chunks"]) {
  const events = [];
  for await (const event of stream.take(voice.voice_id, text, { mode })) events.push(event);
  const audio = events.filter(({ type }) => type === mode.slice(0, -1));
  heard[mode] = {
    statuses: events.filter(({ type }) => type === "status").map(({ status }) => status),
    places: audio.map(({ partId, chunkId = null }) => [partId, chunkId]),
    bytes: audio.reduce((sum, { pcm }) => sum + pcm.length, 0),
    take: events.at(-1).item,
  };
}
const refused = await stream.generateTake("v0", text).catch((error) => error.message);
const [first, second] = await Promise.all([1, 2].map((n) => stream.generateTake(voice.voice_id, `Number ${n}.`)));
stream.close();

const { take_id: id } = heard.parts.take;
const magic = {};
for (const format of ["wav", "mp3", "flac", "m4a", "webm"]) {
  const bytes = new Uint8Array(await (await client.audio(id, format)).arrayBuffer());
  magic[format] = [new TextDecoder("latin1").decode(bytes.slice(0, 4)), bytes.length];
}
const signed = await fetch(await client.audioUrl(id, "mp3")); // without any credential
const missing = await client.take("t0").catch((error) => error.code);
await client.deleteTake(id);
const listed = (await client.takes({ length: 2 })).map(({ take_id }) => take_id);
await client.signOut();
console.log(
  JSON.stringify({
    heard,
    refused,
    texts: [first.text, second.text],
    magic,
    signed: [signed.status, (await signed.arrayBuffer()).byteLength],
    missing,
    listed: listed.sort(),
    expected: [first.take_id, second.take_id].sort(),
    tokens,
    state: stream.state,
  }),
);
