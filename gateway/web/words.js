// One's own words, on their way and once they are with the server.
import * as api from './core/api.js';
import { Outbox } from './core/outbox.js';
import { storage } from './storage.js';

/** An error that says: not now, but by itself as soon as that is possible. */
const waiting = () => Object.assign(new Error(), { isWaiting: true });

export class Words {
  #sentAs = new Map(); // id of a message -> the key of the row that it had on its way
  #held = []; // messages of ours that may be the one on its way

  constructor(chat, owner) {
    this.chat = chat;
    this.outbox = new Outbox({
      userId: chat.user._id, storage, owner, post: (item) => this.#post(item),
      onSent: (item, message) => this.#sent(item, message), onChange: () => chat.draw(),
    });
  }

  /** The key of a message's row: the one that it had on its way. */
  keyOf(message) { return this.#sentAs.get(message._id) ?? message._id; }

  async #post(item) {
    const { chat } = this;
    const connection = chat.socket.id;
    try {
      return await chat.session.attempt(() => api.send(item.to, item.text, item.key, chat.socket.id));
    } catch (problem) {
      if (problem.status === 401) throw waiting();
      // A connection that has just broken may be noticed here before it is there.
      if (problem.status === 0) await new Promise((resolve) => { setTimeout(resolve, 300); });
      this.#releaseHeld();
      if (problem.status !== 0 || chat.socket.id === connection) throw problem;
      setTimeout(() => chat.resume()); // it may be back already
      throw waiting();
    }
  }

  #sent(item, message) {
    this.#sentAs.set(message._id, item.key);
    if (message.senderId === this.chat.user._id) this.#addOwn(message);
    this.#releaseHeld();
  }

  #addOwn(message) {
    const { chat } = this;
    chat.threads.get(message.receiverId)?.add(message);
    chat.inbox.add(message);
    if (!chat.inbox.people.has(message.receiverId)) chat.fetchConversation(message.receiverId);
  }

  /** From another tab or device; or this one's own, if its answer is late: then that decides. */
  sentElsewhere(message) {
    const isPerhapsOurs = this.outbox.of(message.receiverId).some((item) => item.state === 'sending' && item.text === message.message);
    if (isPerhapsOurs) this.#held.push(message);
    else this.#addOwn(message);
    this.chat.draw();
  }

  #releaseHeld() {
    for (const message of this.#held.splice(0)) this.#addOwn(message);
  }
}
