// In whatever order answers and events come, what is shown in the end is what the server has.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Inbox } from '../../gateway/web/core/inbox.js';
import { byTime } from '../../gateway/web/core/order.js';
import { States } from '../../gateway/web/core/states.js';
import { Thread } from '../../gateway/web/core/thread.js';
import { Random } from '../support/random.mjs';
import { ann, me, message } from './helpers.mjs';

const begin = Date.parse('2026-01-31T12:00:00.000Z');

/** A conversation as the server has it; several of its processes draw ids, so that of one second they are in no order. */
class Server {
  messages = [];
  readUpTo = null;
  constructor(random) { this.random = random; }

  write(from, to) {
    const n = this.messages.length;
    const at = begin + n * 130;
    const id = Math.floor(at / 1000).toString(16) + this.random.below(3).toString(16).repeat(10) + n.toString(16).padStart(6, '0');
    this.messages.push(message(n, { from, to, at, id }));
    return this.messages.at(-1);
  }

  delete(id) {
    const at = this.messages.findIndex((one) => one._id === id);
    return this.messages[at] = { ...this.messages[at], message: '', deletedAt: new Date(begin + 1e6).toISOString() };
  }

  #at(id) { return this.messages.findIndex((one) => one._id === id); }

  read(upTo) {
    const isNew = this.#at(upTo) > this.#at(this.readUpTo);
    if (isNew) this.readUpTo = upTo;
    return { isNew, upTo: this.readUpTo, unread: this.unread };
  }

  get unread() { return this.messages.filter((one, i) => one.senderId === ann && !one.deletedAt && i > this.#at(this.readUpTo)).length; }

  get conversation() {
    return { user: { _id: ann, fullName: 'Ann', username: 'ann' }, lastMessage: this.messages.at(-1) ?? null, unread: this.unread, readUpTo: this.readUpTo, theirReadUpTo: null, theirDeliveredUpTo: null };
  }
}

/** A page, the wires between, and what can happen. */
class World {
  frames = []; // under way on the socket, in order
  requests = []; // {run, answer?, take}: done by the server, and answered, at any time
  constructor(seed) {
    this.random = new Random(seed);
    this.server = new Server(this.random);
    const states = new States();
    this.inbox = new Inbox(me, states);
    this.thread = new Thread(states);
  }

  ask(run, take) { this.requests.push({ run, take }); }

  fetch() {
    const askedAt = performance.now();
    this.ask(() => this.server.conversation, (told) => { if (this.inbox.take({ ...told, askedAt }, this.thread.byId)) this.fetch(); });
  }

  tell(frame) { this.frames.push(frame); }

  // ---- what can happen

  theyWrite() {
    const one = this.server.write(ann, me);
    this.tell(() => { this.thread.add(one); this.inbox.add(one); });
  }

  theyDelete() {
    const theirs = this.server.messages.filter((one) => one.senderId === ann && !one.deletedAt);
    if (theirs.length === 0) return;
    const one = this.server.delete(this.random.pick(theirs)._id);
    this.tell(() => { if (this.inbox.update(one)) this.fetch(); this.thread.update(one); });
  }

  write() { this.ask(() => this.server.write(me, ann), (one) => { this.thread.add(one); this.inbox.add(one); }); }

  #isRead({ upTo, unread }) { if (this.inbox.read(ann, upTo, unread, this.thread.byId)) this.fetch(); }

  #read(upTo) {
    const answer = this.server.read(upTo);
    if (answer.isNew) this.tell(() => this.#isRead(answer));
    return answer;
  }

  read() {
    const last = this.thread.messages.findLast((one) => one.senderId === ann);
    if (!last) return;
    this.inbox.read(ann, last._id, 0, this.thread.byId);
    this.ask(() => this.#read(last._id), (answer) => this.#isRead(answer));
  }

  readElsewhere() {
    const theirs = this.server.messages.filter((one) => one.senderId === ann);
    if (theirs.length > 0) this.#read(this.random.pick(theirs)._id);
  }

  /** The connection is gone, and with it what was under way; once it is back all is read again. */
  connectionBreaks() {
    this.frames = [];
    this.fetch();
    this.ask(() => [...this.server.messages], (all) => { for (const one of all) this.thread.add(one); });
  }

  frameComes() { this.frames.shift()?.(); }

  serverWorks() {
    const waiting = this.requests.filter((one) => !one.answer);
    if (waiting.length > 0) { const one = this.random.pick(waiting); one.answer = one.run(); }
  }

  answerComes() {
    const done = this.requests.filter((one) => one.answer);
    if (done.length === 0) return;
    const one = this.random.pick(done);
    this.requests.splice(this.requests.indexOf(one), 1);
    one.take(one.answer);
  }

  settle() { while (this.frames.length + this.requests.length > 0) this[this.random.pick(['frameComes', 'serverWorks', 'answerComes'])](); }
}

const happenings = ['theyWrite', 'theyWrite', 'theyDelete', 'write', 'read', 'readElsewhere', 'fetch', 'connectionBreaks', 'frameComes', 'frameComes', 'frameComes', 'serverWorks', 'serverWorks', 'answerComes', 'answerComes'];

test('in the end the page has what the server has: a number, a mark, and messages in order', () => {
  const [first, count] = [Number(process.env.ORDERS_FROM ?? 1), Number(process.env.ORDERS ?? 1000)];
  for (let seed = first; seed < first + count; seed++) {
    const world = new World(seed);
    const story = [];
    world.fetch();
    for (let i = 0; i < 30; i++) {
      story.push(world.random.pick(happenings));
      world[story.at(-1)]();
    }
    world.settle();
    const { inbox, server, thread } = world;
    const { unread, readUpTo, lastMessage } = inbox.conversation(ann);
    const what = `seed ${seed}: ${story.join(' ')}`;
    assert.deepEqual({ unread, readUpTo, last: lastMessage?._id }, { unread: server.unread, readUpTo: server.readUpTo, last: server.messages.at(-1)?._id }, what);
    assert.deepEqual(thread.messages.map((one) => one._id), [...server.messages].sort(byTime).map((one) => one._id), what);
  }
});
