/** The page of calls: joins its buttons to the client of the SDK. */

import { CallClient } from "../sdk/call.js";
import { FileList } from "./file_list.js";
import { LevelMeter } from "./level_meter.js";
import { LineFigures } from "./line_figures.js";
import { clock, connectionWords, inWords, percent, span } from "./words.js";

const element = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? query.get("token");

const client = new CallClient(undefined, { token });
const figures = new LineFigures(element);
const meters = { sent: new LevelMeter(element("sent")), heard: new LevelMeter(element("heard")) };
const files = new FileList(element("files"), play, () => client.stopFile());

client.addEventListener("state", ({ detail }) => {
  element("connection").dataset.state = detail.state;
  element("connection-words").textContent = detail.state === "closed" ? "No call" : connectionWords(detail);
  element("retry").hidden = detail.state !== "waiting";
});
client.addEventListener("level", ({ detail }) => {
  meters[detail.way === "sent" ? "sent" : "heard"].show(detail);
  if (detail.way !== "file") figures.count(detail.way);
});
client.addEventListener("dropped", () => figures.count("dropped"));
client.addEventListener("roundtrip", ({ detail }) => figures.trip(detail.seconds));
client.addEventListener("match", ({ detail: { matches: [best] } }) => {
  news(`It is ${best.title ?? best.video_id}.`, `At ${clock(best.end_time)} in the track, ${percent(best.confidence)} sure`);
});
client.addEventListener("lost", () => news("The music has stopped. Listening on."));
client.addEventListener("spoken", ({ detail }) => {
  news(`Spoken: ${span(detail.seconds)} of speech.`);
  if (!client.isPlaying) meters.heard.clear();
});
client.addEventListener("error", ({ detail }) => tell(`The server cannot do this: ${detail.message}.`));
client.addEventListener("progress", ({ detail }) => files.progress(detail.seconds));
client.addEventListener("end", ({ detail }) => {
  rest();
  tellError(detail.error);
});

element("call").addEventListener("click", () => begin());
element("hang-up").addEventListener("click", rest);
element("retry").addEventListener("click", () => client.retry());
addEventListener("online", () => client.retry());
element("volume").addEventListener("input", () => (client.volume = Number(element("volume").value)));
element("kinds").addEventListener("change", showKind);
element("say-form").addEventListener("submit", (event) => {
  event.preventDefault();
  tell(null);
  client.say(element("text").value);
  news("Being spoken.");
  element("text").select();
});

let calls = 0;

async function begin() {
  const mine = (calls += 1);
  const processor = kind();
  tell(null);
  news("");
  figures.begin(client.sampleRate);
  showCall(true);
  try {
    const isCall = processor === "echo" && !element("headphones").checked;
    await client.start({ processor, microphone: processor !== "speak", isCall });
    if (mine === calls) news(BEGUN[processor]);
  } catch (error) {
    if (mine !== calls) return;
    rest();
    tellError(error);
  }
}

const BEGUN = {
  echo: "The call stands. Say something.",
  recognize: "Listening. Nothing that is known here yet.",
  speak: "The call stands. Type something.",
};

/** Hang up. */
function rest() {
  calls += 1;
  client.stop();
  meters.sent.clear();
  meters.heard.clear();
  news("");
  showCall(false);
}

async function play(filename) {
  tell(null);
  files.play(filename);
  try {
    const wasPlayed = await client.play(filename);
    if (!wasPlayed && client.isPlaying) return; // another one has begun
  } catch (error) {
    tellError(error, `“${filename}” cannot be played`);
  }
  files.play(null);
  meters.heard.clear();
}

const kind = () => document.querySelector("[name=processor]:checked").value;

function showKind() {
  element("say-form").hidden = kind() !== "speak";
  element("headphones-row").hidden = kind() !== "echo";
}

function showCall(isOn) {
  const [button, other] = isOn ? ["hang-up", "call"] : ["call", "hang-up"];
  const hadFocus = document.activeElement === element(other); // which is about to be disabled
  for (const id of ["kinds", "call", "headphones"]) element(id).disabled = isOn;
  for (const id of ["hang-up", "say"]) element(id).disabled = !isOn;
  if (hadFocus) element(button).focus();
}

/** Tell something, once; and beside it what changes all the time, and is not to be read out. */
function news(words, place = "") {
  if (element("news").textContent !== words) element("news").textContent = words;
  element("place").textContent = place;
}

function tell(words) {
  element("error").hidden = !words;
  element("error").textContent = words ?? "";
}

async function tellError(error, what = "The server has ended the call") {
  if (error.name === "NotConnected" && (await isRefused())) {
    element("token-form").hidden = false;
    return;
  }
  tell(error.name === "ConnectionLost" ? `${what}: ${error.reason || `code ${error.code}`}.` : inWords(error).words);
}

/** Browsers do not tell why a WebSocket was refused; the list of files is refused for the same reason. */
async function isRefused() {
  return client.files().then(
    () => false,
    ({ status }) => status === 401,
  );
}

element("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = `token=${encodeURIComponent(element("token").value)}`;
  location.reload();
});

const socket = new URL("../ws/echo", import.meta.url);
socket.protocol = "wss:";
element("address").textContent = `${new URL("../ncco/connect", import.meta.url)}?endpoint=${socket}`;
meters.sent.clear();
meters.heard.clear();
showKind();
client.files().then(
  (listed) => files.show(listed),
  (error) => {
    files.say("The server does not tell which files it has.");
    if (error.status === 401) element("token-form").hidden = false;
  },
);
