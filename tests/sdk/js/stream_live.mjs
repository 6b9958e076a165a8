// Talks to a running server with the JavaScript client of recognition, and prints what came of it.
//
//     node --experimental-websocket stream_live.mjs URL TOKEN

import { StreamClient } from "../../../app/sdk/js/stream.js";

const HOP = 11025;
const [, , url, token] = process.argv;
const client = new StreamClient(url, token, "node 1");
const statuses = [];
const matches = [];
client.onStatus = ({ message }) => statuses.push(message);
client.onMatch = (matched) => matches.push(matched);

// A hop of silence, one of music, one that ends it.
const samples = Float32Array.from({ length: 3 * HOP }, (_, n) => [0, 0.5, -0.5][Math.floor(n / HOP)]);
const played = await client.play(samples);

const replaced = new Promise((resolve) => {
  client.addEventListener("state", ({ detail }) => detail.state === "closed" && resolve(detail.error.code));
});
const other = new StreamClient(url, token, "node 1");
await other.connect();
const code = await replaced;
other.close();

const refused = await new StreamClient(url, "wrong").connect().catch((error) => error.name);

const [{ matches: [match], stats }] = matches;
const processed = stats.samples_processed + HOP; // the last hop came after the match
console.log(JSON.stringify({ statuses, match, samples: processed, played, replaced: code, refused }));
