// What is done to a world while people chat in it, chosen by the seed: one fault every 3 s.
import { Random } from '../support/random.mjs';

export const EVERY_MS = 3000;
const STOPPED_MS = 5000;
const CUT_MS = 1500;
const LOCKED_MS = 2000;
const STILL_MS = 6000;
const PAUSED_MS = 2000;
const SLOW_MS = 4000;
const DELAY_MS = 250;

const processes = [
  'auth1', 'message1', 'message2', 'presence1', 'presence2', 'responder1', 'responder2', 'gateway', 'redis',
];

/* Each: what begins it and, where it lasts, for how long and what ends it. */
const faults = {
  kill: { begin: (world, name) => world.signal(name, 'SIGKILL') },
  stop: {
    lasts_ms: STOPPED_MS,
    begin: (world, name) => world.signal(name, 'SIGSTOP'),
    end: (world, name) => world.signal(name, 'SIGCONT'),
  },
  cut: {
    lasts_ms: CUT_MS,
    begin: (world, name) => world.proxies[name].cut(),
    end: (world, name) => world.proxies[name].mend(),
  },
  flush: { begin: (world) => world.redis.flush() },
  lock: { lasts_ms: LOCKED_MS, begin: (world) => world.database.lock(), end: (world) => world.database.unlock() },
  restart: { begin: (world) => world.database.restart() },
  /* The machine: all processes, while clients go on. */
  still: {
    lasts_ms: STILL_MS,
    begin: (world) => world.signalAll('SIGSTOP'),
    end: (world) => world.signalAll('SIGCONT'),
  },
  pause: { begin: (world) => world.redis.command(`CLIENT PAUSE ${PAUSED_MS}`).catch(() => {}) },
  slow: {
    lasts_ms: SLOW_MS,
    begin: (world, name) => world.proxies[name].delay(DELAY_MS),
    end: (world, name) => world.proxies[name].delay(0),
  },
};

/* What each store may be asked: an embedded one dies with its services, and another program may hold its
 * lock; the stand-in for MongoDB keeps all it acknowledged through everything but kill -9. */
const ofStore = {
  sqlite: ['lock database', 'lock database'],
  mongo: ['restart database', 'stop database', 'cut service-db', 'cut service-db'],
};
const ofAll = [
  ...processes.flatMap((name) => [`kill ${name}`, `stop ${name}`]),
  ...['cut client-gateway', 'cut service-redis', 'flush redis'].flatMap((name) => [name, name]),
];

/* Only if they are asked for: the seeds that are known keep their faults. */
const ofFew = ['still machine', 'pause redis', 'slow service-redis', 'slow client-gateway'];

/** The faults of a seed: [{at_ms, name}]. `only` narrows them: ["kill message1", "flush"]. */
export function schedule(seed, seconds, { store = 'sqlite', only = [] } = {}) {
  const random = new Random(seed);
  const chosen = [...ofAll, ...ofStore[store], ...only.length > 0 ? ofFew : []].filter((name) =>
    only.length === 0 || only.some((o) => name === o || name.startsWith(`${o} `)));
  if (chosen.length === 0) throw new Error(`no fault is called ${only.join(' or ')}`);
  const list = [];
  for (let at_ms = EVERY_MS; at_ms < seconds * 1000; at_ms += EVERY_MS) list.push({ at_ms, name: random.pick(chosen) });
  return list;
}

/** Begins faults, ends those that last, and remembers when. */
export class FaultInjector {
  constructor(world) { Object.assign(this, { world, done: [], lasting: new Map() }); }

  /** One that still lasts is not begun again, nor prolonged. */
  async begin({ name }) {
    const [kind, target] = name.split(' ');
    const { begin, end, lasts_ms } = faults[kind];
    if (this.lasting.has(name)) return;
    this.done.push({ at: Date.now(), name, ...(lasts_ms && { lasts_ms }) });
    await begin(this.world, target);
    if (!end) return;
    const finish = () => { this.lasting.delete(name); return end(this.world, target); };
    this.lasting.set(name, { finish, timer: setTimeout(finish, lasts_ms) });
  }

  /** When the machine stood still: [[from, to]]. */
  standstills() { return this.done.filter(({ name }) => name.startsWith('still')).map(({ at, lasts_ms }) => [at, at + lasts_ms]); }

  /** End what still lasts. */
  async heal() {
    for (const { finish, timer } of [...this.lasting.values()]) {
      clearTimeout(timer);
      await finish();
    }
  }
}
