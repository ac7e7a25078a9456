// Whatever is loaded, recovered, interrupted and trimmed, in any order: what is shown has no hole.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Thread } from '../../gateway/web/core/thread.js';
import { Random } from '../support/random.mjs';
import { ann, History, me, message, settle } from './helpers.mjs';

/** Two people, their history on a server, and a page whose connection comes and goes. */
class World {
  history = new History([]);
  thread = new Thread();
  frames = []; // what the page has not heard yet; without a connection the server keeps it
  requests = []; // pages of the history that are under way
  isConnected = true;

  constructor(seed) { this.random = new Random(seed); }

  /** What one writes elsewhere is told, but is not among what a recovery brings. */
  write() {
    for (let i = this.random.below(60); i >= 0; i--) {
      const isMine = this.random.oneIn(3);
      const one = message(this.history.all.length, { from: isMine ? me : ann, to: isMine ? ann : me });
      this.history.all.push(one);
      if (!isMine || this.isConnected) this.frames.push(one);
    }
  }

  hear() { if (this.isConnected) for (const one of this.frames.splice(0, 1 + this.random.below(30))) this.thread.add(one); }

  fetch = async (limit, before) => {
    const page = await this.history.fetch(limit, before);
    await new Promise((resolve, reject) => { this.requests.push({ resolve, reject }); });
    return page;
  };

  answer() { if (this.requests.length > 0) this.requests.splice(this.random.below(this.requests.length), 1)[0].resolve(); }

  fail() { if (this.random.oneIn(3)) for (const { reject } of this.requests.splice(0)) reject(new Error('away')); }

  breakOff() {
    this.isConnected = false;
    const isForgotten = this.random.oneIn(4); // for it was away so long
    this.frames = isForgotten ? [] : this.frames.filter((one) => one.senderId === ann);
  }

  connect() {
    if (this.isConnected) return;
    this.isConnected = true;
    this.thread.markStale();
    this.load();
  }

  load() { if (this.thread.isStale) this.thread.load(this.fetch).catch(() => {}); }

  scroll() { if (this.thread.isLoaded && !this.thread.isStale) this.thread.loadOlder(this.fetch).catch(() => {}); }

  trim() { if (this.random.oneIn(4)) this.thread.trim(); }

  /** Connected, all heard, all answered. */
  async end() {
    this.breakOff();
    this.connect();
    while (this.thread.isStale || this.requests.length + this.frames.length > 0) {
      this.load();
      this.hear();
      this.answer();
      await settle();
    }
  }

  async scrollToTop() {
    while (this.thread.hasOlder) await this.thread.loadOlder((limit, before) => this.history.fetch(limit, before));
  }

  get shown() { return this.thread.messages.map((one) => one._id); }

  get ids() { return this.history.all.map((one) => one._id); }
}

const happenings = ['write', 'hear', 'hear', 'hear', 'answer', 'answer', 'answer', 'fail', 'breakOff', 'connect', 'connect', 'load', 'scroll', 'trim'];

test('what is shown is the end of the history, whole; and all of it once one has scrolled to its top', async () => {
  for (let seed = 1; seed <= 1000; seed++) {
    const world = new World(seed);
    const story = [];
    world.write();
    world.load();
    for (let i = 0; i < 40; i++) {
      story.push(world.random.pick(happenings));
      world[story.at(-1)]();
      await settle();
    }
    await world.end();
    const what = `seed ${seed}: ${story.join(' ')}`;
    assert.ok(world.shown.length > 0, what);
    assert.deepEqual(world.shown, world.ids.slice(-world.shown.length), what);
    await world.scrollToTop();
    assert.deepEqual(world.shown, world.ids, what);
  }
});
