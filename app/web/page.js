/** The page at `/`: joins the form to the client and the player of the SDK. */

import { DanmuClient, Player, toBlob } from "../sdk/danmu.js";
import { Status } from "./status.js";
import { VoiceMenus } from "./voices.js";
import { Waveform } from "./waveform.js";
import { connectionWords, inWords, size, span } from "./words.js";

const WHOLE_CHARACTERS = 60; // longer texts are streamed, so that their first sound does not wait for their last
const ASK_POSITION_SECONDS = 2;
const MAX_ADDRESS_CHARACTERS = 8000;
const WELCOME = "你好，欢迎来到直播间！";

const element = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? query.get("token");

const client = new DanmuClient(undefined, { token, waitForServer: true });
const menus = new VoiceMenus(element("language"), element("voice"));
const status = new Status(element, token, askForToken);
const wave = new Waveform(element("wave"));

let player = null; // made at the first gesture, before which browsers allow no sound
let take = null; // what is being spoken, or was spoken last

client.addEventListener("state", ({ detail }) => {
  element("connection").dataset.state = detail.state;
  element("connection-words").textContent = connectionWords(detail);
  element("retry").hidden = detail.state !== "waiting";
  if (detail.state === "open") {
    loadVoices();
    status.refresh();
  }
});
element("retry").addEventListener("click", () => client.retry());
addEventListener("online", () => client.retry());

async function loadVoices() {
  try {
    menus.fill(await client.voices());
  } catch {
    return; // the connection broke again, as its state says; the next one asks again
  }
  if (query.has("voice")) menus.choose(query.get("voice"));
}

element("text").addEventListener("input", () => {
  element("count").textContent = element("text").value.length.toLocaleString("en");
});
element("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) element("speak-form").requestSubmit();
});
for (const chip of document.querySelectorAll(".chip")) {
  chip.addEventListener("click", () => {
    write(chip.dataset.text ?? chip.textContent);
    element("speak-form").requestSubmit();
  });
}

function write(text) {
  element("text").value = text;
  element("text").dispatchEvent(new Event("input"));
}

element("speak-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = element("text").value;
  if (text.trim()) {
    speak(text);
  } else {
    tellError(new Error("Write a line first."));
    element("text").focus();
  }
});
element("stop").addEventListener("click", stop);
element("replay").addEventListener("click", () => {
  player.clear();
  take.enqueued = [];
  for (const piece of take.pieces) enqueue(piece);
});
element("volume").addEventListener("input", () => {
  if (player) player.volume = Number(element("volume").value);
});
function askForToken() {
  client.close();
  element("token-form").hidden = false;
}
element("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = `token=${encodeURIComponent(element("token").value)}`;
  location.reload();
});

async function speak(text) {
  stop();
  player ??= makePlayer();
  const mine = (take = begin(text));
  const choices = { ...chosen(), signal: mine.abort.signal };
  const asking = setInterval(askPosition, ASK_POSITION_SECONDS * 1000);
  try {
    if (text.length <= WHOLE_CHARACTERS) {
      arrive(mine, { index: 0, total: 1, text, ...(await client.speak(text, choices)) });
    } else {
      for await (const chunk of client.stream(text, choices)) arrive(mine, chunk);
    }
    finish(mine);
  } catch (error) {
    if (error !== mine.abort.signal.reason) tellError(error);
    if (mine === take) giveUp(mine);
  } finally {
    clearInterval(asking);
    status.own = null;
    status.refresh();
    mine.isComplete = true;
    showActivity();
  }
}

function begin(text) {
  tellError(null);
  wave.clear();
  element("heard").hidden = false;
  element("save").hidden = true;
  element("replay").hidden = true;
  element("script").replaceChildren();
  element("facts").textContent = "Waiting for the first sound";
  element("heard").removeAttribute("data-duration");
  element("heard").removeAttribute("data-decoded");
  return { text, pieces: [], enqueued: [], abort: new AbortController(), askedAt: performance.now(), isComplete: false };
}

function chosen() {
  return {
    voice: menus.voice.value || undefined,
    backend: query.get("backend") ?? undefined,
    quality: element("quality").value,
    format: element("format").value,
  };
}

function arrive(mine, piece) {
  mine.firstAfter ??= (performance.now() - mine.askedAt) / 1000;
  const words = document.createElement("span");
  words.textContent = piece.text;
  element("script").append(words);
  mine.pieces.push({ ...piece, words, from: mine.pieces.at(-1)?.to ?? 0, to: 0 });
  const latest = mine.pieces.at(-1);
  latest.to = Math.min(1, latest.from + piece.text.length / mine.text.length);
  if (mine === take) enqueue(latest);
  if (mine.pieces.length === 1) element("heard").scrollIntoView({ block: "nearest" });
}

function enqueue(piece) {
  piece.words.className = "";
  take.enqueued.push(player.enqueue(piece.audio, piece));
  showActivity();
}

function giveUp(mine) {
  element("heard").hidden = !mine.pieces.length;
  element("replay").hidden = !mine.pieces.length;
  element("facts").textContent = "Not spoken to the end";
}

function finish(mine) {
  if (!mine.pieces.length) return giveUp(mine);
  const seconds = mine.pieces.reduce((sum, { metadata }) => sum + metadata.duration, 0);
  const bytes = mine.pieces.reduce((sum, { metadata }) => sum + metadata.size_bytes, 0);
  const [{ metadata, cached }] = mine.pieces;
  const facts = [
    menus.nameOf(metadata.voice),
    span(seconds),
    `${metadata.format.toUpperCase()}, ${metadata.sample_rate / 1000} kHz, ${size(bytes)}`,
    mine.pieces.length > 1 ? `${mine.pieces.length} pieces, the first after ${span(mine.firstAfter)}` : `after ${span(mine.firstAfter)}`,
  ];
  if (cached) facts.push("from the cache");
  element("facts").textContent = facts.join(" · ");
  element("heard").dataset.duration = seconds;
  element("replay").hidden = false;
  offerFile(mine);
}

/** One piece is a file already; of several the server makes one, if they fit into an address. */
function offerFile({ text, pieces }) {
  const link = element("save");
  URL.revokeObjectURL(link.href);
  const [{ metadata }] = pieces;
  if (pieces.length === 1) {
    link.href = URL.createObjectURL(toBlob(pieces[0]));
  } else {
    const url = new URL("../tts/stream", import.meta.url);
    const { voice, format, backend } = metadata;
    url.search = new URLSearchParams({ text, voice, backend, format, quality: element("quality").value });
    if (token) url.searchParams.set("token", token);
    link.href = url;
  }
  link.download = `speech.${metadata.format}`;
  link.hidden = link.href.length > MAX_ADDRESS_CHARACTERS;
}

function stop() {
  take?.abort.abort();
  player?.clear();
}

async function askPosition() {
  if (take.pieces.length || client.state !== "open") return;
  try {
    const { position, estimated_wait_time: wait } = await client.queueStatus();
    status.own = { position, wait };
    status.showQueue();
  } catch {
    // Whatever it is, the request that waits is told the same.
  }
}

function makePlayer() {
  const made = new Player({ volume: Number(element("volume").value) });
  made.addEventListener("start", ({ detail: { item } }) => {
    item.info.words.className = "now";
    follow(item);
  });
  made.addEventListener("end", ({ detail: { item } }) => (item.info.words.className = "spoken"));
  made.addEventListener("error", ({ detail }) => tellError(detail.error));
  made.addEventListener("decoded", ({ detail: { item } }) => {
    if (item.info.isDrawn) return;
    item.info.isDrawn = true;
    wave.add(item.buffer, item.info.from, item.info.to);
    element("heard").dataset.decoded = Number(element("heard").dataset.decoded ?? 0) + item.duration;
  });
  made.addEventListener("idle", showActivity);
  return made;
}

function follow(item) {
  if (player.playing !== item) {
    if (!player.playing) wave.show(item.info.to);
    return;
  }
  const { from, to } = item.info;
  wave.show(from + ((to - from) * player.position) / item.duration);
  requestAnimationFrame(() => follow(item));
}

function showActivity() {
  const isBusy = Boolean(player?.length) || (take && !take.isComplete);
  element("stop").disabled = !isBusy;
}

function tellError(error) {
  const place = element("error");
  place.hidden = !error;
  if (!error) return;
  const { words, code } = inWords(error);
  place.textContent = words;
  if (code) place.append(Object.assign(document.createElement("code"), { textContent: code }));
}

element("address").textContent = String(new URL("ws", location.href.split(/[?#]/)[0])).replace(/^http/, "ws");
element("copy").addEventListener("click", async () => {
  getSelection().selectAllChildren(element("address"));
  await navigator.clipboard?.writeText(element("address").textContent); // absent on plain http, but not on localhost
  element("copy").textContent = navigator.clipboard ? "Copied" : "Selected";
});

for (const name of ["quality", "format"]) {
  if (query.has(name)) element(name).value = query.get(name);
}
write(query.get("text") ?? WELCOME);
client.connect().catch(() => {}); // its state has told
