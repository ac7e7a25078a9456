// Other timings: with BROWSER_JITTER=<seed> every request, every answer and every frame of a socket
// comes later by a time of its own, so that what came in one order on this machine comes in another.
// The frames of one socket keep their order, as TCP has it. A seed gives the same request of a
// page the same delays each time. Without a seed nothing is late.
import { Random } from './random.mjs';

const seed = process.env.BROWSER_JITTER;
const answerMost = 600; // ms
const requestMost = 300; // with that of an answer it is less than the second that quiet() looks for

export const isLate = Boolean(seed);
let pages = 0;

/** Runs in the page, before its own scripts. */
function holdRequests({ lateness, most }) {
  const { fetch, setTimeout, URL } = window; // also if the test brings a clock of its own
  const counts = new Map();
  const draw = (name) => {
    let hash = 0x811c9dc5;
    for (const c of `${lateness} ${name}`) hash = Math.imul(hash ^ c.codePointAt(0), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
  };
  const sleep = (ms) => new Promise((resolve) => { setTimeout.call(window, resolve, ms); });
  window.fetch = async (target, options = {}) => {
    const { pathname, search } = new URL(target.url ?? target, location.href);
    const name = `${options.method ?? 'GET'} ${pathname}${search}`.replace(/[0-9a-f]{24}/g, 'id');
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    await sleep(draw(`to ${name} ${count}`) * most.request);
    try {
      return await fetch.call(window, target, options);
    } finally {
      await sleep(draw(`from ${name} ${count}`) * most.answer);
    }
  };
}

/** What a page asks for, and gets, comes late: also its modules, which its browser then does not keep. */
export async function delayRequests(page) {
  if (!isLate) return;
  page.lateness = `${seed} ${pages++}`;
  await page.addInitScript(holdRequests, { lateness: page.lateness, most: { request: requestMost, answer: answerMost } });
  const random = randomOf(`${page.lateness} modules`);
  await page.route('**/*.js', (route) => { setTimeout(() => route.fallback().catch(() => {}), random.below(requestMost)); });
}

const randomOf = (name) => new Random([...name].reduce((hash, c) => Math.imul(hash ^ c.codePointAt(0), 0x01000193), 0x811c9dc5));

/** Of one direction of a socket: call pass(deliver) with each frame; all are delivered in order. */
export function laneOf(page, name) {
  if (!isLate) return (deliver) => deliver();
  const random = randomOf(`${page.lateness} ${name} ${page.lanes = (page.lanes ?? 0) + 1}`);
  let before = Promise.resolve();
  return (deliver) => {
    const due = new Promise((resolve) => { setTimeout(resolve, random.below(answerMost)); });
    before = Promise.all([before, due]).then(deliver).catch(() => {}); // the page may be gone
  };
}
