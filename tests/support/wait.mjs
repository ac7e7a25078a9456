// Waiting for conditions, never for time: each wait has a deadline and says what it waited for.
// TEST_PATIENCE multiplies every deadline: a machine of continuous integration is shared, and
// stands still for seconds now and then. What is in time costs nothing either way. A standstill itself
// hardly counts: when the machine goes on, deadlines would be over before anybody could answer.
import net from 'node:net';
import { once } from 'node:events';

export const patience = Number(process.env.TEST_PATIENCE ?? 1);

/** How long something may take, in ms, that takes no longer than `ms` on a machine that never stands still. */
export const patient = (ms) => ms * patience;

const STEP_MS = 200; // of what passes between two looks at the clock, so much counts at most
let lookedAt = performance.now();
let awake = 0;

/** When this process stood still, by the wall clock: [[from, to]]. */
export const standstills = [];

/** A clock, in ms, for how long something took: the time in which this process stood still hardly counts. */
export function awakeNow() {
  const now = performance.now();
  awake += Math.min(now - lookedAt, STEP_MS);
  if (now - lookedAt > 2 * STEP_MS) standstills.push([Date.now() - (now - lookedAt), Date.now()]);
  lookedAt = now;
  return awake;
}
setInterval(awakeNow, STEP_MS / 4).unref();

const tick = () => new Promise((resolve) => setTimeout(resolve, 20));

/**
 * Call `probe` until it gives something truthy, and give that. A probe that throws has not
 * found it yet (a request may be refused while a process starts, or answered with a 503);
 * its last error is the cause of the one that ends the wait. What a probe asserts must hold each time.
 */
export async function waitUntil(what, probe, { within = 5000 } = {}) {
  const limit = patient(within);
  const end = awakeNow() + limit;
  for (;;) {
    let cause;
    try {
      const result = await probe();
      if (result) return result;
    } catch (error) {
      if (error?.code === 'ERR_ASSERTION') throw error;
      cause = error;
    }
    if (awakeNow() > end) throw new Error(`waited ${limit} ms in vain for: ${what}`, { cause });
    await tick();
  }
}

/** Resolve as `promise` does, or fail once `within` ms have passed. */
export function withDeadline(what, promise, within = 5000) {
  const limit = patient(within);
  const end = awakeNow() + limit;
  let timer;
  const late = new Promise((_, reject) => {
    const look = () => {
      const left = end - awakeNow();
      if (left > 0) timer = setTimeout(look, Math.ceil(left));
      else reject(new Error(`waited ${limit} ms in vain for: ${what}`));
    };
    look();
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A TCP port of the loopback that was free a moment ago. */
export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
