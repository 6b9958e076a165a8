/** The page of talking portraits: joins its form to the client and the player of the SDK. */

import { Portraits } from "../sdk/portrait.js";
import { PortraitPlayer } from "../sdk/portrait_player.js";
import { Frame } from "./portrait_frame.js";
import { drawn, prepare } from "./portrait_picture.js";
import { SoundChoice } from "./portrait_sound.js";
import { drawnWords, errorWords, marked, reasonWords, sitterWords } from "./portrait_words.js";
import { VoiceMenus } from "./voices.js";
import { connectionWords, size, span } from "./words.js";

const element = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? query.get("token");

const portraits = new Portraits(undefined, { token, waitForServer: true });
const film = element("film");
const player = new PortraitPlayer(film);
const frame = new Frame(element);
const sound = new SoundChoice(element, tellError);
const menus = new VoiceMenus(element("language"), element("voice"));

let sitter = null; // who is to speak: `{image, width, height}`
let drawing = null; // what is being drawn: `{abort, askedAt}`
let newest = null; // what is being drawn, or was drawn last

portraits.addEventListener("state", ({ detail }) => {
  element("connection").dataset.state = detail.state;
  element("connection-words").textContent = connectionWords(detail);
  element("retry").hidden = detail.state !== "waiting";
  if (detail.state === "open") loadEngines();
  if (detail.state === "open" || detail.state === "waiting") loadVoices(); // which tells why it was refused, too
});
element("retry").addEventListener("click", () => portraits.retry());
addEventListener("online", () => portraits.retry());

async function loadVoices() {
  const response = await get("voices");
  if (response?.ok) menus.fill(await response.json());
  if (response?.status === 401) askForToken();
}

/** Say which of those who draw are not here; who is asked for nevertheless is replaced, as the portrait tells. */
async function loadEngines() {
  const response = await get("ws/health");
  const { engines = {} } = response?.ok ? await response.json() : {};
  for (const option of element("model").options) {
    option.dataset.name ??= option.textContent;
    option.textContent = engines[option.value] ? `${option.dataset.name} (not here)` : option.dataset.name;
  }
}

function get(path) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  return fetch(new URL(`../${path}`, import.meta.url), { headers }).catch(() => null);
}

/* Who speaks. */

element("picture-file").addEventListener("change", () => {
  const [file] = element("picture-file").files;
  if (file) seat(() => prepare(file));
  element("picture-file").value = ""; // so that the same one can be chosen again
});
element("camera").addEventListener("click", async () => {
  rest();
  player.stop();
  try {
    if (await frame.openCamera()) showCamera(true);
  } catch (error) {
    tellError(error);
  }
});
element("shutter").addEventListener("click", () => {
  showCamera(false);
  seat(() => frame.takePicture());
});
element("leave-camera").addEventListener("click", () => {
  showCamera(false);
  frame.closeCamera();
});

function showCamera(isOn) {
  element("sitter-actions").hidden = isOn;
  element("camera-actions").hidden = !isOn;
  element(isOn ? "shutter" : "camera").focus();
}

/** Put somebody into the frame, and ask the server what it sees. */
async function seat(take) {
  rest();
  player.stop();
  tell(null);
  let mine = null;
  try {
    mine = sitter = await take();
    frame.show(mine);
    element("sitter").textContent = sitterWords({ ...mine, faces: null });
    const { faces } = await portraits.upload(mine.image);
    if (mine === sitter) element("sitter").textContent = sitterWords({ ...mine, faces });
  } catch (error) {
    if (mine === sitter && error.details?.status !== 404) tellError(error);
  }
}

/* What is said. */

const said = () => document.querySelector("[name=said]:checked").value;

element("switch").addEventListener("change", showSaid);
function showSaid() {
  element("panel-text").hidden = said() !== "text";
  element("panel-sound").hidden = said() !== "sound";
  if (said() === "text") sound.stop();
}
function say(kind) {
  document.querySelector(`[name=said][value=${kind}]`).checked = true;
  showSaid();
}
element("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) element("portrait-form").requestSubmit();
});

addEventListener("dragover", (event) => {
  event.preventDefault();
  element("portrait-form").dataset.over = "";
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) delete element("portrait-form").dataset.over;
});
addEventListener("drop", (event) => {
  event.preventDefault();
  delete element("portrait-form").dataset.over;
  take(event.dataTransfer.files);
});
addEventListener("paste", (event) => take(event.clipboardData.files));

/** Put each file where it belongs. */
function take(files) {
  for (const file of files) {
    if (/^(audio|video)\//.test(file.type)) {
      say("sound");
      sound.take(file);
    } else {
      seat(() => prepare(file));
    }
  }
}

/* How it is drawn. */

element("portrait-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sound.stop();
  const lack = lacking();
  if (lack) {
    tell(lack.words);
    lack.field.focus();
  } else {
    speak();
  }
});
element("stop").addEventListener("click", () => {
  const wasDrawing = drawing !== null;
  rest();
  player.stop();
  news(wasDrawing ? "Stopped." : "");
});
element("replay").addEventListener("click", () => player.replay());
element("volume").addEventListener("input", () => (film.volume = Number(element("volume").value)));
film.addEventListener("ended", showActivity);
film.addEventListener("playing", showActivity);

/** Tell what is missing, and where it would go. */
function lacking() {
  if (!sitter) return { words: "Choose a picture first.", field: element("picture-file") };
  if (said() === "sound") return sound.file ? null : { words: "Record or choose a sound first.", field: element("record") };
  return element("text").value.trim() ? null : { words: "Write a text first.", field: element("text") };
}

async function speak() {
  rest();
  tell(null);
  const mine = (drawing = newest = { abort: new AbortController(), askedAt: performance.now() });
  begin();
  film.addEventListener("loadeddata", () => seen(mine), { once: true, signal: mine.abort.signal });
  try {
    const wanted = { ...chosen(), onProgress: (progress) => mine === drawing && showProgress(progress) };
    const portrait = await player.play(portraits.stream(sitter.image, { ...wanted, signal: mine.abort.signal }));
    if (mine === drawing && portrait) finish(portrait, mine);
  } catch (error) {
    if (mine !== drawing) return;
    player.stop();
    tellError(error);
  } finally {
    if (mine === drawing) {
      drawing = null;
      showActivity();
    }
  }
}

function chosen() {
  const model = element("model").value || undefined;
  if (said() === "sound") return { audio: sound.file, model };
  return { text: element("text").value, voice: menus.voice.value || undefined, language: menus.language.value || undefined, model };
}

function begin() {
  for (const id of ["model-used", "first-seen", "drawn-in", "duration", "voice-used", "size"]) fact(id, "–");
  element("drawn").hidden = true;
  element("reason").hidden = true;
  element("after").hidden = true;
  showProgress({ percent: 0, message: "Being asked for" });
  news("Being drawn.");
  showActivity();
}

function seen(mine) {
  if (mine !== newest) return;
  fact("first-seen", span((performance.now() - mine.askedAt) / 1000));
  element("drawn").hidden = false;
  if (mine === drawing) news(film.paused ? "It is there." : "It speaks.");
}

function finish(portrait, { askedAt }) {
  fact("model-used", portrait.modelUsed);
  fact("drawn-in", span((performance.now() - askedAt) / 1000));
  fact("duration", `${span(portrait.duration)}, ${portrait.frames.toLocaleString("en")} pictures`);
  fact("voice-used", portrait.voice ? menus.nameOf(portrait.voice) : "–");
  fact("size", `${portrait.width} × ${portrait.height}`);
  element("reason").replaceChildren(...marked(reasonWords(portrait)));
  element("reason").hidden = !portrait.fallbackReason;
  news(drawnWords(portrait, film.paused && !film.ended));
  offer(portrait);
}

function offer({ video, videoSize }) {
  const link = element("save");
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(video);
  link.textContent = `Save ${size(videoSize)}`;
  element("after").hidden = false;
}

/** Draw nothing. */
function rest() {
  const abandoned = drawing;
  drawing = newest = null;
  abandoned?.abort.abort();
  showActivity();
}

function showProgress({ percent, message }) {
  element("progress").value = percent;
  element("progress-words").textContent = message;
}

function showActivity() {
  if (sitter) frame.state = drawing && film.hidden ? "drawing" : "ready";
  element("drawing").hidden = drawing === null;
  element("stop").disabled = drawing === null && (film.hidden || film.ended || film.paused);
}

function fact(id, words) {
  element(id).textContent = words;
}

/* What is told. */

function news(words) {
  if (element("news").textContent !== words) element("news").textContent = words;
}

function tell(words) {
  element("error").hidden = !words;
  element("error").textContent = words ?? "";
  if (words) news("");
}

function tellError(error) {
  tell(errorWords(error));
}

function askForToken() {
  portraits.close();
  element("token-form").hidden = false;
}
element("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = `token=${encodeURIComponent(element("token").value)}`;
  location.reload();
});

const address = new URL("../ws/lip-sync", import.meta.url);
address.protocol = address.protocol.replace("http", "ws");
element("address").textContent = String(address);
drawn(new URL("./portrait_sample.svg", import.meta.url)).then((sample) => {
  if (sitter) return; // somebody was faster
  sitter = sample;
  frame.show(sample);
  element("sitter").textContent = "Drawn for this page. Choose, take or drop a picture of a face of your own.";
}, tellError);
showSaid(); // browsers remember what was chosen before a reload
portraits.connect().catch(() => {}); // its state has told
