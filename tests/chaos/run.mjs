// One seed: people chat in a world where things break; then it heals, and the history is checked.
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { root } from '../support/stack.mjs';
import { awakeNow, standstills, waitUntil } from '../support/wait.mjs';
import { describeRun } from './account.mjs';
import { check } from './checker.mjs';
import { FaultInjector, schedule } from './faults.mjs';
import { Leavers } from './leavers.mjs';
import { People } from './people.mjs';
import { Random } from '../support/random.mjs';
import { World } from './world.mjs';

const HEAL_MS = 15000;
const ERASE_MS = 15000; // more, where all else is well: the last sweep of an erasure begins so long after it
const BUSY_MS = 45000; // more, where the machine is too busy for clients to be back by then
const tick = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Send at an even rate, and begin each fault at its time. */
async function chat(people, leavers, injector, faults, { seconds, rate }) {
  const start = Date.now();
  const due = [...faults];
  for (let sent = 0; Date.now() - start < seconds * 1000;) {
    while (due.length > 0 && Date.now() - start >= due[0].at_ms) await injector.begin(due.shift());
    leavers.next();
    for (; sent < ((Date.now() - start) * rate) / 1000; sent++) people.sendOne();
    await tick(5);
  }
  people.isOver = true;
}

const observe = async (people, leavers, injector) => ({
  sends: people.sends,
  sockets: people.sockets.map(({ socket, got, ...record }) => record),
  history: await people.readHistory(),
  busy: people.busy.map(({ id }) => id),
  stood: [...standstills, ...injector.standstills()],
  changes: people.changes.filter(({ until }) => until),
  marks: people.marks.filter(({ until }) => until),
  deliveries: people.deliveries,
  conversations: await people.readConversations(),
  leavers: await leavers.observe(),
});

/** The first account of the world without a violation, or the last one when the time is over. One that could not be had is none: the machine may have stood still meanwhile. */
async function settle(people, leavers, injector) {
  const end = awakeNow() + HEAL_MS;
  await Promise.all([people.finishSends(), leavers.finish()]);
  for (let waits_ms = 0; ;) {
    await people.finishMarks();
    people.tellDeliveries();
    const now = awakeNow();
    const isLast = now > end + (people.areConnected() ? waits_ms : BUSY_MS);
    const seen = await observe(people, leavers, injector).catch((error) => { if (now > end + BUSY_MS) throw error; });
    const result = seen && check(seen);
    if (result && (isLast || result.violations.length === 0)) return { ...seen, ...result };
    waits_ms = result?.violations.every(({ leaver }) => leaver) ? ERASE_MS : 0;
    await tick(300);
  }
}

/** Logs and records of a run that failed, to look into. */
async function keep(seed, store, world, result) {
  const dir = path.join(root, 'build/chaos', `seed-${seed}-${store}`);
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  await cp(path.join(world.dir, 'data/run/logs'), path.join(dir, 'logs'), { recursive: true }).catch(() => {});
  await writeFile(path.join(dir, 'record.json'), JSON.stringify(result, null, 1));
  return dir;
}

/** {ok, text}: did all guarantees hold, and the account of it. */
export async function runSeed(seed, { seconds = 60, rate = 50, store = 'sqlite', only = [], model, settings = {}, keeps = true } = {}) {
  const faults = schedule(seed, seconds, { store, only });
  const world = await World.start(seed, { store, model, settings });
  const people = await People.gather(world.url, new Random(seed)).catch(async (error) => { await world.stop(); throw error; });
  try {
    const leavers = await Leavers.gather(world.url);
    await waitUntil('all sockets to be in', () => people.areConnected(), { within: 30000 });
    const injector = new FaultInjector(world);
    const start = Date.now();
    await chat(people, leavers, injector, faults, { seconds, rate });
    await injector.heal();
    const result = { seed, start, faults: injector.done, ...await settle(people, leavers, injector) };
    const ok = result.violations.length === 0;
    const { sent, acknowledged, delivered, replied, changed, changeEvents, erased, marked, markEvents, reconnections, recovered, repeated } = result.summary;
    const counts = Object.entries(result.counts).map(([rule, count]) => `${rule} ${count}`).join(', ');
    const lines = [
      `seed ${seed}, ${store}: ${ok ? 'ok' : 'FAILED'}: sent ${sent}, acknowledged ${acknowledged}, delivered ${delivered}, replied ${replied}, changed ${changed}, events of changes ${changeEvents}, erased ${erased}, marked ${marked}, events of marks ${markEvents}, ${counts}`,
      `  ${recovered} of ${reconnections} reconnections recovered, ${repeated} messages came again with one`,
      `  faults: ${faults.map(({ name }) => name).join(', ')}`,
    ];
    if (!ok) lines.push(describeRun(result));
    if (!ok && keeps) lines.push(`records and logs: ${path.relative(root, await keep(seed, store, world, result))}`);
    return { ok, text: lines.join('\n'), ...result };
  } finally {
    people.close();
    await world.stop();
  }
}
