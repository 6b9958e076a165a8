import assert from "node:assert/strict";
import { test } from "node:test";

import { Pace } from "../../../app/sdk/js/pace.js";

/** A clock that waiting moves. */
function time() {
  const clock = { now: 1000 };
  return { clock, pace: new Pace(() => clock.now, async (milliseconds) => void (clock.now += milliseconds)) };
}

async function sent({ clock, pace }, count) {
  const times = [];
  for (let n = 0; n < count; n += 1) {
    await pace.before(0.1);
    times.push(Math.round(clock.now));
  }
  return times;
}

test("frames go out as fast as they are heard", async () => {
  assert.deepEqual(await sent(time(), 4), [1000, 1100, 1200, 1300]);
});

test("a short delay is caught up, a long one is not", async () => {
  const short = time();
  await sent(short, 1);
  short.clock.now += 350;
  assert.deepEqual(await sent(short, 4), [1350, 1350, 1350, 1400]);

  const long = time();
  await sent(long, 1);
  long.clock.now += 60_000;
  assert.deepEqual(await sent(long, 7), [...Array(6).fill(61_000), 61_100]);
});
