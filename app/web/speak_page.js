/** The page of takes and voices: joins its forms to the client and the player of the SDK. */

import { parseHeader, Player, TakePlayer } from "../sdk/speak.js";
import { ProsodySliders } from "./prosody.js";
import { SignIn } from "./sign_in.js";
import { StudioMenus } from "./studio_menus.js";
import { TakeView } from "./take_view.js";
import { Waveform } from "./waveform.js";
import { connectionWords, inWords, span } from "./words.js";

const LISTED_TAKES = 8;
const LISTED_VOICES = 1000;
const SIGN_IN_AGAIN = "This session has ended. Please sign in again.";
const GENDER_WORDS = { female: "Female", male: "Male", nonbinary: "Nonbinary" };
const WELCOME = "Good evening, and welcome. This is a take. You hear it while it is made.";

const element = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const mode = query.get("mode") === "chunks" ? "chunks" : "parts";

const signIn = new SignIn(element, begin);
const menus = new StudioMenus(element, showModel);
const takeProsody = new ProsodySliders(element("take-prosody"));
const voiceProsody = new ProsodySliders(element("voice-prosody"));
const wave = new Waveform(element("wave"));

let client = null;
let stream = null;
let streamed = null; // the model of the stream
let player = null; // made at the first gesture, before which browsers allow no sound
let takePlayer = null;
let view = null; // of the take that is made, or was opened last
let making = null; // its AbortController, while it is made

async function begin(mine) {
  client = mine;
  streamed = null;
  try {
    const [models, voices] = await Promise.all([client.models(), client.voices({ length: LISTED_VOICES })]);
    element("studio").hidden = false;
    element("beside").hidden = false;
    menus.fill(models, voices);
    if (document.activeElement === document.body) element("text").focus(); // what had the focus is hidden now
    await listTakes();
  } catch (error) {
    signIn.ask(error.code === "401" ? SIGN_IN_AGAIN : inWords(error).words);
  }
}

function showModel(model) {
  takeProsody.offer(model.prosody_types);
  voiceProsody.offer(model.prosody_types);
  const gender = element("voice-gender");
  gender.replaceChildren(...model.genders.map((name) => new Option(GENDER_WORDS[name] ?? name, name)));
  element("description-row").hidden = !(model.voice_inputs ?? []).includes("description");
  connect(model.name);
}

function connect(model) {
  if (streamed === model) return;
  stream?.close();
  streamed = model;
  stream = client.stream({ model, waitForServer: true });
  stream.addEventListener("state", ({ currentTarget, detail }) => {
    if (currentTarget !== stream) return;
    element("connection").dataset.state = detail.state;
    element("connection-words").textContent = connectionWords(detail);
    element("retry").hidden = detail.state !== "waiting";
    if (detail.error?.code === "401") signIn.ask(SIGN_IN_AGAIN);
  });
  stream.connect().catch(() => {}); // its state tells
}
element("retry").addEventListener("click", () => stream.retry());
addEventListener("online", () => stream?.retry());

element("text").addEventListener("input", () => {
  element("count").textContent = element("text").value.length.toLocaleString("en");
});
element("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) element("take-form").requestSubmit();
});
for (const chip of document.querySelectorAll(".samples .chip")) {
  chip.addEventListener("click", () => write(chip.dataset.text));
}

function write(text) {
  element("text").value = text;
  element("text").dispatchEvent(new Event("input"));
}

element("take-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = element("text").value;
  if (!text.trim()) return tellError(new Error("Write a text first."));
  const choices = { ...menus.choices, prosody: takeProsody.value };
  perform((signal) => stream.take(menus.voiceId, text, { ...choices, mode, signal }));
});
element("voice-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [name, gender, description] = ["name", "gender", "description"].map((id) => element(`voice-${id}`).value.trim());
  const choices = { description: description || undefined, defaultProsody: voiceProsody.value };
  const { name: model } = menus.model;
  element("voice-status").textContent = "Making it";
  const voice = await perform((signal) => stream.voice(name, model, gender, { ...choices, mode, signal }));
  element("voice-status").textContent = voice ? `${voice.name} is ready, and chosen.` : "";
  if (voice) menus.add(voice);
});
element("stop").addEventListener("click", stop);
element("replay").addEventListener("click", () => {
  makePlayer();
  takePlayer.clear();
  for (const { event, info } of view.heard) takePlayer.play(event, info);
  takePlayer.play({ type: "end" });
  showActivity();
});
element("volume").addEventListener("input", () => {
  if (player) player.volume = Number(element("volume").value);
});
for (const button of element("downloads").querySelectorAll("button")) {
  button.addEventListener("click", () => save(view.take.take_id, button.dataset.format));
}

/** Make a take or a voice, and play it while it is made; returns it, null if it was not made. */
async function perform(ask) {
  stop();
  makePlayer();
  tellError(null);
  const mine = (view = new TakeView(element, wave));
  const abort = (making = new AbortController());
  showActivity();
  try {
    for await (const event of ask(abort.signal)) {
      takePlayer.play(event, mine.tell(event));
      showActivity();
    }
    if (mine.item.example_take_id) mine.describe(await client.take(mine.item.example_take_id));
    return mine.item;
  } catch (error) {
    if (error !== abort.signal.reason) tellError(error);
    if (mine === view) mine.giveUp();
    return null;
  } finally {
    if (making === abort) making = null;
    showActivity();
    listTakes();
  }
}

/** Play a take that was made before. */
async function open(take) {
  stop();
  makePlayer();
  tellError(null);
  const mine = (view = new TakeView(element, wave, { isNew: false }));
  try {
    const audio = new Uint8Array(await (await client.audio(take.take_id)).arrayBuffer());
    if (mine !== view) return;
    const header = parseHeader(audio);
    const event = { type: "part", partId: 0, chunkId: null, header, audio, pcm: audio.subarray(header.dataStart) };
    takePlayer.play(event, mine.tell(event));
    takePlayer.play({ type: "end" }, mine.tell({ type: "end", item: take }));
    showActivity();
  } catch (error) {
    tellError(error);
    if (mine === view) mine.giveUp();
  }
}

async function save(takeId, format) {
  try {
    const link = document.createElement("a");
    link.href = await client.audioUrl(takeId, format);
    link.download = `${takeId}.${format}`;
    link.click();
  } catch (error) {
    tellError(error);
  }
}

async function listTakes() {
  let takes;
  try {
    takes = await client.takes({ length: LISTED_TAKES });
  } catch {
    return; // whatever it is, what is made next is told the same
  }
  if (takes.length) element("takes").replaceChildren(...takes.map(takeItem));
}

function takeItem(take) {
  const button = Object.assign(document.createElement("button"), { className: "quiet", type: "button", lang: "" });
  const [words, state] = ["words", "faint"].map((className) => Object.assign(document.createElement("span"), { className }));
  words.textContent = take.text;
  const { duration, audio_rate: rate } = take.info ?? {};
  state.textContent = take.status === "ready" ? span(duration / rate) : take.status;
  button.append(words, state);
  button.disabled = take.status !== "ready";
  button.addEventListener("click", () => open(take));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function stop() {
  making?.abort();
  takePlayer?.clear();
}

function makePlayer() {
  if (player) return;
  player = new Player({ volume: Number(element("volume").value) });
  takePlayer = new TakePlayer(player);
  player.addEventListener("start", ({ detail: { item } }) => {
    view.mark(item.info, "now");
    follow(item);
  });
  player.addEventListener("end", ({ detail: { item } }) => view.mark(item.info, "spoken"));
  player.addEventListener("error", ({ detail }) => tellError(detail.error));
  player.addEventListener("idle", showActivity);
}

function follow(item) {
  if (player.playing !== item) {
    if (!player.playing) view.show(item.info, item.duration);
    return;
  }
  view.show(item.info, player.position);
  requestAnimationFrame(() => follow(item));
}

function showActivity() {
  element("stop").disabled = !(making || player?.length);
  element("heard").dataset.playing = Boolean(player?.length);
}

function tellError(error) {
  const place = element("error");
  place.hidden = !error;
  if (!error) return;
  if (error.code === "401") signIn.ask(SIGN_IN_AGAIN);
  const { words, code } = inWords(error);
  place.textContent = words;
  if (code) place.append(Object.assign(document.createElement("code"), { textContent: code }));
}

write(query.get("text") ?? WELCOME);
signIn.begin();
