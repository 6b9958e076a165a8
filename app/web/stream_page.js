/** The page of recognition: joins its buttons to the client of the SDK. */

import { StreamClient } from "../sdk/stream.js";
import { LevelMeter } from "./level_meter.js";
import { TrackView } from "./track_view.js";
import { clock, connectionWords, inWords, span } from "./words.js";

const LISTENING = "Listening. Nothing that is known here yet.";
const NOTHING = "Nothing is listened to.";

const element = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? query.get("token");

const client = new StreamClient(undefined, token);
const view = new TrackView(element);
const level = new LevelMeter(element("level"));

client.addEventListener("state", ({ detail }) => {
  element("connection").dataset.state = detail.state;
  element("connection-words").textContent = detail.state === "closed" ? "Not listening" : connectionWords(detail);
  element("retry").hidden = detail.state !== "waiting";
  if (detail.state === "waiting") view.stop();
});
client.addEventListener("match", ({ detail }) => {
  view.show(detail);
  showStats(detail.stats);
});
client.addEventListener("status", ({ detail }) => {
  element("told").textContent = detail.message;
  if (detail.event === "lost") view.stop();
});
client.addEventListener("error", ({ detail }) => {
  element("told").textContent = [detail.message, detail.detail].filter(Boolean).join(": ");
});
client.addEventListener("level", ({ detail }) => level.show(detail));
client.addEventListener("progress", ({ detail: { position, duration } }) => {
  element("progress").value = position / duration;
  element("position").textContent = `${clock(position)} of ${clock(duration)}`;
});
client.addEventListener("end", ({ detail }) => {
  rest();
  tellError(detail.error);
});

element("retry").addEventListener("click", () => client.retry());
addEventListener("online", () => client.retry());

element("listen").addEventListener("click", () => perform(() => client.startMicrophone(), true));
element("stop").addEventListener("click", rest);
element("file").addEventListener("change", () => {
  const [file] = element("file").files;
  if (file) play(file);
  element("file").value = ""; // so that the same one can be chosen again
});

addEventListener("dragover", (event) => {
  event.preventDefault();
  element("ear").dataset.over = "";
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) delete element("ear").dataset.over;
});
addEventListener("drop", (event) => {
  event.preventDefault();
  delete element("ear").dataset.over;
  const [file] = event.dataTransfer.files;
  if (file) play(file);
});

function play(file) {
  element("file-name").textContent = file.name;
  element("position").textContent = "being read";
  element("progress").value = 0;
  perform(() => client.play(file), false);
}

let performances = 0;

/** Send a sound until it ends, or another one takes its place. */
async function perform(begin, isLive) {
  const mine = (performances += 1);
  tellError(null);
  view.wait("listening", LISTENING);
  element("rate").textContent = `${client.sampleRate / 1000} kHz`;
  element("playing-file").hidden = isLive;
  element("stop").disabled = false;
  try {
    await begin();
    if (mine === performances && !isLive) rest();
  } catch (error) {
    if (mine !== performances) return;
    rest();
    tellError(error);
  }
}

/** Listen to nothing. */
function rest() {
  performances += 1;
  client.close();
  level.clear();
  view.wait("idle", NOTHING);
  element("playing-file").hidden = true;
  element("stop").disabled = true;
}

function showStats(stats) {
  element("duration").textContent = clock(stats.duration_seconds);
  element("window").textContent = span(stats.buffer_capacity / client.sampleRate);
  element("matches").textContent = stats.total_matches.toLocaleString("en");
}

async function tellError(error) {
  const place = element("error");
  place.hidden = !error;
  if (!error) return;
  place.textContent = words(error);
  if (error.name === "NotConnected" && (await isRefused())) {
    place.hidden = true;
    element("token-form").hidden = false;
  }
}

function words(error) {
  if (error.name !== "ConnectionLost") return inWords(error).words;
  if (error.code === 4009) return "Another client has taken over with the same name.";
  return `The server has ended the stream: ${error.reason || `code ${error.code}`}.`;
}

/** Browsers do not tell why a WebSocket was refused; the same credential is refused elsewhere too. */
async function isRefused() {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    return (await fetch(new URL("../stats", import.meta.url), { headers })).status === 401;
  } catch {
    return false; // the server is away, as has been told
  }
}

element("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = `token=${encodeURIComponent(element("token").value)}`;
  location.reload();
});

const address = new URL("../ws/stream/", import.meta.url);
address.protocol = address.protocol.replace("http", "ws");
element("address").textContent = `${address}{client_id}`;
level.clear();
