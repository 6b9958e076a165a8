import assert from "node:assert/strict";
import { test } from "node:test";

import { BrokenReply, GenerationFailed, NotConnected, RequestFailed, SpeakClient } from "../../../app/sdk/js/speak.js";
import { fakeFetch, fakeNetwork, settle } from "./fakes.mjs";

const take = (status, more = {}) => ({ take_id: "t1", voice_id: "v1", text: "hello", status, ...more });

/** A client with a token that is taken, of a server that answers as `routes` say: `"GET takes/t1": () => [200, {…}]`. */
function client(routes, options = { token: "key" }) {
  const slept = [];
  const { asked, fetch } = fakeFetch(({ method, path, body, headers }) => {
    const route = routes[`${method} ${path.replace("/v1/speak/", "").split("?")[0]}`];
    return route ? route({ path, body, token: headers.Authorization?.replace("Bearer ", "") }) : [404, { detail: "No." }];
  });
  const setTimeout = (go, ms) => {
    slept.push(ms / 1000);
    setImmediate(go);
  };
  const made = new SpeakClient("https://test/", { fetch, setTimeout, random: () => 0, ...options });
  return { client: made, asked, slept, paths: () => asked.map(({ method, path }) => `${method} ${path}`) };
}

/** Routes of a server on which tokens expire. */
function accounts() {
  const state = { valid: null, refresh: null, issued: 0, logins: 0, refreshes: 0 };
  const issue = () => {
    state.issued += 1;
    Object.assign(state, { valid: `access-${state.issued}`, refresh: `refresh-${state.issued}` });
    return [200, { access_token: state.valid, refresh_token: state.refresh }];
  };
  const routes = {
    "POST /auth/login": ({ body }) => {
      state.logins += 1;
      return body.password === "right" ? issue() : [401, { detail: "Wrong." }];
    },
    "POST /auth/refresh": async ({ body }) => {
      state.refreshes += 1;
      await settle();
      return body.refresh_token === state.refresh ? issue() : [401, { detail: "Spent." }];
    },
    "POST /auth/logout": () => {
      state.refresh = null;
      return [204, null];
    },
    "GET models": ({ token }) => (token === state.valid ? [200, [{ name: "tone" }]] : [401, { detail: "Expired." }]),
  };
  return { state, routes };
}

test("it signs in when it first has to, once, and signs out", async () => {
  const { state, routes } = accounts();
  const told = [];
  const credentials = { email: "me@x", password: "right", onTokens: (...tokens) => told.push(tokens) };
  const { client: made, asked } = client(routes, credentials);
  await Promise.all([made.models(), made.models()]);
  assert.deepEqual([state.logins, asked[0].body], [1, { email: "me@x", password: "right" }]);
  await made.signOut();
  assert.equal(state.refresh, null);
  assert.deepEqual(told, [["access-1", "refresh-1"], [null, null]]);
  assert.equal((await made.models())[0].name, "tone");
});

test("an expired token is renewed once for all", async () => {
  const { state, routes } = accounts();
  const { client: made } = client(routes, { email: "me@x", password: "right" });
  await made.signIn();
  state.valid = null;
  await Promise.all(Array.from({ length: 10 }, () => made.models()));
  assert.deepEqual([state.logins, state.refreshes], [1, 1]);
});

test("a refused refresh is followed by the password, and without one it is the end", async () => {
  const { state, routes } = accounts();
  const withPassword = client(routes, { email: "me@x", password: "right", token: "old", refreshToken: "spent" });
  await withPassword.client.models();
  assert.deepEqual([state.refreshes, state.logins], [1, 1]);
  const told = [];
  const without = client(routes, { token: "old", refreshToken: "spent", onTokens: (...tokens) => told.push(tokens) });
  await assert.rejects(without.client.models(), { code: "401", message: /cannot be renewed/ });
  assert.deepEqual(told, [[null, null]]);
});

test("a failure of the server is not taken for a refusal", async () => {
  const { state, routes } = accounts();
  const failing = { ...routes, "POST /auth/refresh": () => [503, {}] };
  const { client: made } = client(failing, { token: "old", refreshToken: "good" });
  await assert.rejects(made.models(), { code: "503" });
  state.refresh = "good";
  const again = client(routes, { token: "old", refreshToken: "good" });
  await again.client.models();
});

test("a wrong password and a wrong key are told", async () => {
  const { routes } = accounts();
  const { client: forgetful } = client(routes, { email: "me@x", password: "wrong" });
  await assert.rejects(forgetful.signIn(), { code: "401", message: "Wrong." });
  await assert.rejects(client(routes, { token: "wrong" }).client.models(), { code: "401", message: "Expired." });
  await assert.rejects(client(routes, {}).client.models(), { code: "401" });
});

test("the version needs no credentials", async () => {
  const { client: made, asked } = client({ "GET version": () => [200, { version: 1, minor: 0 }] });
  assert.deepEqual(await made.version(), { version: 1, minor: 0 });
  assert.equal(asked[0].headers.Authorization, undefined);
});

test("a take is made and waited for, more and more rarely", async () => {
  const states = ["started", "started", "started", "progress_50", "ready"];
  const seen = [];
  const { client: made, asked, slept } = client({
    "POST takes/generate": () => [200, take("waiting")],
    "GET takes/t1": () => [200, take(states.shift())],
  });
  const ready = await made.generateTake("v1", "Hi.", {
    overrideLanguage: "en-GB",
    prosody: { pitch: 1 },
    doneWebhook: "https://x",
    userData: 0,
    onStatus: ({ status }) => seen.push(status),
  });
  assert.equal(ready.status, "ready");
  assert.deepEqual(asked[0].body, {
    voice_id: "v1",
    text: "Hi.",
    override_language: "en-GB",
    prosody: { pitch: 1 },
    done_webhook: { post_url: "https://x" },
    user_data: 0,
  });
  assert.deepEqual(slept, [0.1, 0.2, 0.4, 0.1]);
  assert.deepEqual(seen, ["started", "progress_50", "ready"]);
});

test("many takes are one request, and only those that are not done are asked for", async () => {
  const polls = [];
  const { client: made } = client({
    "POST takes/generate": ({ body }) => [200, body.map(({ text }) => take("waiting", { take_id: text }))],
    "GET takes": ({ path }) => {
      const ids = new URLSearchParams(path.split("?")[1]).get("take_id").split(",");
      polls.push(ids);
      const status = (id) => (polls.length === 1 && id !== "b" ? "started" : "ready");
      return [200, ids.map((id) => take(status(id), { take_id: id })).reverse()];
    },
  });
  const takes = await made.generateTakes(["a", "b", "c"].map((text) => ({ voiceId: "v1", text })));
  assert.deepEqual(takes.map(({ take_id }) => take_id), ["a", "b", "c"]);
  assert.deepEqual(polls, [["a", "b", "c"], ["a", "c"]]);
});

test("a take that failed is an error that has it", async () => {
  const { client: made } = client({ "GET takes/t1": () => [200, take("error", { error: "No voice." })] });
  await assert.rejects(made.waitForTake("t1"), (error) => {
    assert.ok(error instanceof GenerationFailed);
    assert.deepEqual([error.message, error.item.status], ["No voice.", "error"]);
    return true;
  });
});

test("waiting survives a server that starts again, and can be ended", async () => {
  const answers = [[503, {}, { "Retry-After": "5" }], [502, {}], [200, take("ready")]];
  const { client: made, slept } = client({ "GET takes/t1": () => answers.shift() });
  assert.equal((await made.waitForTake("t1")).status, "ready");
  assert.deepEqual(slept, [5, 0.4]);

  const endless = client({ "GET takes/t1": () => [200, take("started")] });
  await assert.rejects(endless.client.waitForTake("t1", { timeout: 5 }), { name: "TimeoutError" });
  assert.equal(Math.round(endless.slept.reduce((sum, one) => sum + one) * 1000), 5000);
  const abort = new AbortController();
  abort.abort("enough");
  await assert.rejects(endless.client.waitForTake("t1", { signal: abort.signal }), (reason) => reason === "enough");
});

test("a voice is made, changed and deleted", async () => {
  const voice = (status) => ({ voice_id: "v1", status });
  const { client: made, asked, paths } = client({
    "POST voices/generate": () => [200, voice("waiting")],
    "GET voices/v1": () => [200, voice("ready")],
    "POST voices/v1": () => [200, true],
    "DELETE voices/v1": () => [200, true],
  });
  await made.generateVoice("Ada", "tone", "female", { description: "warm", example: { text: "Hi.", style: ["base"] } });
  await made.updateVoice("v1", { name: "Eve", defaultStyle: [] });
  await assert.rejects(made.updateVoice("v1", {}), RangeError);
  await made.deleteVoice("v1");
  assert.deepEqual(asked[0].body, {
    name: "Ada",
    model: "tone",
    gender: "female",
    description: "warm",
    example_take: { text: "Hi.", style: ["base"] },
  });
  assert.deepEqual(asked[2].body, { name: "Eve", default_style: [] });
  assert.equal(paths()[3], "DELETE /v1/speak/voices/v1");
});

test("lists are filtered", async () => {
  const { client: made, paths } = client({ "GET takes": () => [200, []], "GET voices": () => [200, []] });
  await made.takes({ length: 5, page: 2, older: undefined });
  await made.voices();
  assert.deepEqual(paths(), ["GET /v1/speak/takes?length=5&page=2", "GET /v1/speak/voices"]);
});

test("audio is fetched, and formats other than WAV are waited for", async () => {
  const states = ["started", "ready"];
  const { client: made, paths } = client({
    "GET takes/t1": () => [200, take(states.shift())],
    "GET takes/t1/wav": () => [200, new Uint8Array([1, 2])],
    "GET takes/t1/mp3": () => [200, new Uint8Array([3])],
  });
  assert.deepEqual(new Uint8Array(await (await made.audio("t1")).arrayBuffer()), new Uint8Array([1, 2]));
  assert.deepEqual(new Uint8Array(await (await made.audio("t1", "mp3")).arrayBuffer()), new Uint8Array([3]));
  assert.deepEqual(paths().slice(1), ["GET /v1/speak/takes/t1", "GET /v1/speak/takes/t1", "GET /v1/speak/takes/t1/mp3"]);
  assert.equal(await made.audioUrl("t1"), "https://test/v1/speak/takes/t1/wav");
});

test("both spellings of the address of a WebSocket are understood", async () => {
  const byModel = client({ "GET websocket/tone": () => [200, { worker_websocket_url: "https://test/worker?secret=1" }] });
  assert.equal(await byModel.client.websocketUrl({ model: "tone" }), "wss://test/worker?secret=1");
  const byQuery = client({ "GET websocket": ({ path }) => [200, { websocket_url: `ws://test${path}` }] });
  assert.equal(await byQuery.client.websocketUrl({ model: "tone" }), "ws://test/v1/speak/websocket?model=tone");
  const byVoice = client({
    "GET voices/v1": () => [200, { model: "tone" }],
    "GET websocket/tone": () => [200, {}],
  });
  await assert.rejects(byVoice.client.websocketUrl({ voiceId: "v1" }), BrokenReply);
});

test("a stream asks for its address, and again where that may help", async () => {
  const gone = [404, { detail: "Gone." }];
  const answers = [[503, {}], [200, { websocket_url: "ws://test/worker" }], gone, gone];
  const { client: made } = client({ "GET websocket/tone": () => answers.shift() });
  const { sockets, FakeWebSocket } = fakeNetwork();
  const stream = made.stream({ model: "tone", WebSocket: FakeWebSocket, setTimeout: setImmediate, waitForServer: true });
  const states = [];
  stream.addEventListener("state", ({ detail }) => states.push(detail.state));
  const connecting = stream.connect();
  while (!sockets.length) await settle();
  sockets[0].accept();
  await connecting;
  sockets[0].hangUp();
  while (stream.state !== "closed") await settle();
  assert.deepEqual(states, ["connecting", "waiting", "connecting", "open", "waiting", "connecting", "closed"]);
});

for (const [status, content, headers, expected] of [
  [404, { detail: "No such take." }, {}, { code: "404", message: "No such take." }],
  [422, { detail: [{ loc: ["body", "text"], msg: "Field required" }] }, {}, { code: "422", message: "text: Field required" }],
  [422, { detail: "text: too long", field: "text" }, {}, { code: "422", message: "text: too long" }],
]) {
  test(`an error ${status} is told in words: ${JSON.stringify(content)}`, async () => {
    const { client: made } = client({ "GET takes/t1": () => [status, content, headers] });
    await assert.rejects(made.take("t1"), (error) => {
      assert.ok(error instanceof RequestFailed);
      assert.deepEqual({ code: error.code, message: error.message }, expected);
      assert.equal(error.details.field, status === 422 ? "text" : null);
      return true;
    });
  });
}

test("a server that is not there, and one that answers with no JSON, are errors", async () => {
  const fetch = () => Promise.reject(new TypeError("fetch failed"));
  await assert.rejects(new SpeakClient("https://test", { token: "key", fetch }).models(), NotConnected);
  await assert.rejects(new SpeakClient("https://test", { email: "me@x", password: "right", fetch }).signIn(), NotConnected);
  const { client: odd } = client({ "GET models": () => [200, new Uint8Array([60])] });
  await assert.rejects(odd.models(), BrokenReply);
});
