// Randomness that a seed repeats: mulberry32.

/** Draws for tests; `seed` is any 32-bit number. */
export class Random {
  constructor(seed) { this.state = seed >>> 0; }

  /** 0 <= x < 1 */
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(n) { return Math.floor(this.next() * n); }

  oneIn(n) { return this.below(n) === 0; }

  pick(list) { return list[this.below(list.length)]; }

  list(max, make) { return Array.from({ length: this.below(max + 1) }, make); }

  bytes(max) { return Buffer.from(this.list(max, () => this.below(256))); }
}

/** The seed named in the environment, or a new one. */
export const seedOf = (name) => (process.env[name] ? Number(process.env[name]) : Date.now() % 2 ** 31);
