import assert from "node:assert/strict";
import { test } from "node:test";

import { Order } from "../../../app/sdk/js/speak_order.js";
import { shuffled } from "./fakes.mjs";

const arrival = (partId, chunkId, ...audio) => ({ partId, chunkId, audio: new Uint8Array(audio) });

function parts(count) {
  const sent = Array.from({ length: count }, (_, part) => arrival(part, null, part + 1));
  return [...sent, arrival(count, null)];
}

function chunks(...counts) {
  const sent = counts.flatMap((count, part) => [
    ...Array.from({ length: count }, (_, chunk) => arrival(part, chunk, part + 1, chunk)),
    arrival(part, count),
  ]);
  return [...sent, arrival(counts.length, 0)];
}

const givenOn = (order, arrivals) => arrivals.flatMap((one) => order.put(one));
const heard = (sent) => sent.filter(({ audio }) => audio.length);

for (const [name, sent] of [
  ["parts", parts(7)],
  ["no parts", parts(0)],
  ["chunks", chunks(3, 1, 5)],
  ["no chunks", chunks()],
]) {
  test(`${name} come in order, whatever order they arrive in, and once`, () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const order = new Order();
      assert.deepEqual(givenOn(order, shuffled([...sent, ...sent], seed)), heard(sent));
      assert.ok(order.isComplete);
    }
  });

  test(`${name} are not complete while anything is missing`, () => {
    for (let lost = 0; lost < sent.length; lost += 1) {
      const order = new Order();
      givenOn(order, sent.toSpliced(lost, 1));
      assert.ok(!order.isComplete);
    }
  });
}

test("what comes in order is given on at once", () => {
  const order = new Order();
  assert.deepEqual(chunks(2, 1).map((one) => order.put(one).length), [1, 1, 0, 1, 0, 0]);
});
