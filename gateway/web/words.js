// One's own words, on their way and once they are with the server.
import * as api from './core/api.js';
import { Changes } from './core/changes.js';
import { Outbox } from './core/outbox.js';
import { storage } from './storage.js';

/** An error that says: not now, but by itself as soon as that is possible. */
const waiting = () => Object.assign(new Error(), { isWaiting: true });

export class Words {
  #sentAs = new Map(); // id of a message -> the key of the row that it had on its way
  #held = []; // messages of ours that may be the one on its way

  #ids = new Map(); // and the other way round

  constructor(chat, owner) {
    this.chat = chat;
    const options = { userId: chat.user._id, storage, owner, onChange: () => chat.draw() };
    this.outbox = new Outbox({ ...options, post: (item) => this.#post(item), onSent: (item, message) => this.#sent(item, message) });
    this.changes = new Changes({ ...options, post: (item) => this.#change(item), onSent: (item, message) => chat.updated(message) });
    this.queues = [this.outbox, this.changes];
  }

  /** The key of a message's row: the one that it had on its way. */
  keyOf(message) { return this.#sentAs.get(message._id) ?? message._id; }

  /** What is on its way to somebody. What was tried before a reload may be in the history already: it is shown there until its answer says so. */
  outgoingTo(id) {
    const { user, threads, aheadMs } = this.chat;
    const isThere = ({ at, text }) => threads.get(id)?.messages.some((message) => message.senderId === user._id && message.message === text
      && !this.#sentAs.has(message._id) && Date.parse(message.createdAt) >= at + aheadMs);
    return this.outbox.of(id).filter((item) => !item.isTried || item.state === 'failed' || !isThere(item));
  }

  resume() { for (const queue of this.queues) queue.resume(); }

  pause() { for (const queue of this.queues) queue.pause(); }

  /** target: a message's id, or the key of one that is on its way. */
  edit(target, to, text) {
    const id = this.#ids.get(target) ?? target;
    if (!this.outbox.change(id, text)) this.changes.edit(id, to, text);
  }

  delete(target, to) {
    const id = this.#ids.get(target) ?? target;
    const item = this.outbox.find(id);
    if (!item || (item.isTried && item.state !== 'failed')) this.changes.delete(id, to);
    else this.forget(id);
  }

  /** What was not sent is not to be sent. */
  forget(key) {
    this.outbox.remove(key);
    this.#releaseHeld();
    if (!this.outbox.find(key)) this.changes.forget(key);
  }

  /** Try again what failed, or let it be: a message, or the change of one. */
  settle(key, how) {
    if (this.changes.find(key)) this.changes[how](key);
    else if (how === 'retry') this.outbox.retry(key);
    else this.forget(key);
  }

  async #change(item) {
    const { chat } = this;
    const { target, text } = item;
    return this.#try(() => (item.kind === 'edit' ? api.editMessage(target, text, chat.socket.id) : api.deleteMessage(target, chat.socket.id))).catch((problem) => {
      const known = chat.threads.get(item.to)?.byId.get(target);
      if (problem.status === 410 && known) chat.updated({ ...known, message: '', deletedAt: new Date().toISOString() });
      throw problem;
    });
  }

  async #post(item) {
    try {
      return await this.#try(() => api.send(item.to, item.text, item.key, this.chat.socket.id));
    } catch (problem) {
      if (!problem.isWaiting) this.#releaseHeld();
      if (problem.code === 'BLOCKED') this.chat.blocks.load(); // perhaps by oneself, elsewhere
      throw problem;
    }
  }

  /** A request of a queue: what only the connection is to blame for waits for the next one. */
  async #try(request) {
    const { chat } = this;
    const connection = chat.socket.id;
    try {
      return await chat.session.attempt(request);
    } catch (problem) {
      if (problem.status === 401) throw waiting();
      // A connection that has just broken may be noticed here before it is there.
      if (problem.status === 0) await new Promise((resolve) => { setTimeout(resolve, 300); });
      if (problem.status !== 0 || chat.socket.id === connection) throw problem;
      setTimeout(() => chat.resume()); // it may be back already
      throw waiting();
    }
  }

  #sent(item, message) {
    this.#sentAs.set(message._id, item.key);
    this.#ids.set(item.key, message._id);
    if (message.senderId === this.chat.user._id) this.#addOwn(message);
    this.#releaseHeld();
    this.changes.named(item.key, message._id);
  }

  #addOwn(message) {
    const { chat } = this;
    chat.threads.get(message.receiverId)?.add(message);
    chat.inbox.add(message);
    if (!chat.inbox.people.has(message.receiverId)) chat.fetchConversation(message.receiverId);
  }

  /** From another tab or device; or this one's own, if its answer is late: then that decides. */
  sentElsewhere(message) {
    const isPerhapsOurs = this.outbox.of(message.receiverId).some((item) => item.isTried && item.state !== 'failed' && item.text === message.message);
    if (isPerhapsOurs) this.#held.push(message);
    else this.#addOwn(message);
    this.chat.draw();
  }

  #releaseHeld() {
    for (const message of this.#held.splice(0)) this.#addOwn(message);
  }
}
