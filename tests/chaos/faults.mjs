// What is done to a world while people chat in it, chosen by the seed: one fault every 3 s.
import { Random } from './random.mjs';

export const EVERY_MS = 3000;
const STOPPED_MS = 5000;
const CUT_MS = 1500;
const LOCKED_MS = 2000;

const processes = [
  'auth1', 'message1', 'message2', 'presence1', 'presence2', 'responder1', 'responder2', 'gateway', 'redis',
];

/* Each: its targets, what begins it, and where it lasts, how long and what ends it. */
const faults = {
  kill: { targets: processes, begin: (world, name) => world.signal(name, 'SIGKILL') },
  stop: {
    targets: processes, lasts_ms: STOPPED_MS,
    begin: (world, name) => world.signal(name, 'SIGSTOP'),
    end: (world, name) => world.signal(name, 'SIGCONT'),
  },
  cut: {
    targets: ['client-gateway', 'service-redis', 'client-gateway', 'service-redis'], lasts_ms: CUT_MS,
    begin: (world, name) => world.proxies[name].cut(),
    end: (world, name) => world.proxies[name].mend(),
  },
  flush: { targets: ['redis', 'redis'], begin: (world) => world.redis.flush() },
  lock: {
    targets: ['database', 'database'], lasts_ms: LOCKED_MS,
    begin: (world) => world.database.lock(),
    end: (world) => world.database.unlock(),
  },
};

/** The faults of a seed: [{at_ms, kind, target}]. `only` narrows them: ["kill message1", "flush"]. */
export function schedule(seed, seconds, only = []) {
  const random = new Random(seed);
  const all = Object.entries(faults).flatMap(([kind, { targets }]) => targets.map((target) => ({ kind, target })));
  const chosen = all.filter(({ kind, target }) =>
    only.length === 0 || only.some((o) => o === kind || o === `${kind} ${target}`));
  if (chosen.length === 0) throw new Error(`no fault is called ${only.join(' or ')}`);
  const list = [];
  for (let at_ms = EVERY_MS; at_ms < seconds * 1000; at_ms += EVERY_MS) list.push({ at_ms, ...random.pick(chosen) });
  return list;
}

/** Begins faults, ends those that last, and remembers when. */
export class FaultInjector {
  constructor(world) { Object.assign(this, { world, done: [], lasting: new Map() }); }

  async begin({ kind, target }) {
    const { begin, end, lasts_ms } = faults[kind];
    const name = `${kind} ${target}`;
    this.done.push({ at: Date.now(), name, ...(lasts_ms && { lasts_ms }) });
    await begin(this.world, target);
    if (!end) return;
    clearTimeout(this.lasting.get(name)?.timer);
    const finish = () => { this.lasting.delete(name); return end(this.world, target); };
    this.lasting.set(name, { finish, timer: setTimeout(finish, lasts_ms) });
  }

  /** End what still lasts. */
  async heal() {
    for (const { finish, timer } of [...this.lasting.values()]) {
      clearTimeout(timer);
      await finish();
    }
  }
}
