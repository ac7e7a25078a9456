// Waiting for conditions, never for time: each wait has a deadline and says what it waited for.
// TEST_PATIENCE multiplies every deadline: a machine of continuous integration is shared, and
// stands still for seconds now and then. What is in time costs nothing either way.
import net from 'node:net';
import { once } from 'node:events';

export const patience = Number(process.env.TEST_PATIENCE ?? 1);

/** How long something may take, in ms, that takes no longer than `ms` on a machine that never stands still. */
export const patient = (ms) => ms * patience;

const tick = () => new Promise((resolve) => setTimeout(resolve, 20));

/**
 * Call `probe` until it gives something truthy, and give that. A probe that throws has not
 * found it yet (a request may be refused while a process starts, or answered with a 503);
 * its last error is the cause of the one that ends the wait. What a probe asserts must hold each time.
 */
export async function waitUntil(what, probe, { within = 5000 } = {}) {
  const limit = patient(within);
  const end = Date.now() + limit;
  for (;;) {
    let cause;
    try {
      const result = await probe();
      if (result) return result;
    } catch (error) {
      if (error?.code === 'ERR_ASSERTION') throw error;
      cause = error;
    }
    if (Date.now() > end) throw new Error(`waited ${limit} ms in vain for: ${what}`, { cause });
    await tick();
  }
}

/** Resolve as `promise` does, or fail once `within` ms have passed. */
export function withDeadline(what, promise, within = 5000) {
  const limit = patient(within);
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limit} ms in vain for: ${what}`)), limit);
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
