// Whom one has blocked.
import * as api from './core/api.js';
import { isRefused } from './session.js';

export class Blocks {
  #people = new Map(); // id -> person
  #changes = 0;

  constructor(chat) { this.chat = chat; }

  has(id) { return this.#people.has(id); }

  get people() { return [...this.#people.values()]; }

  /** Read who they are, for it may have been changed on another device. */
  load() {
    const { chat } = this;
    this.hasBegun = true;
    return chat.again.try('blocks', async () => {
      const changes = this.#changes;
      const people = await chat.session.attempt(() => api.blocked()).catch(isRefused);
      if (!people) return;
      if (changes !== this.#changes) { this.load(); return; } // it is of before
      this.isKnown = true;
      this.#people = new Map(people.map((person) => [person._id, person]));
      chat.draw();
    });
  }

  /** Rejects with the problem, and then nothing has changed. */
  async set(person, isBlocked) {
    const { chat } = this;
    await chat.session.attempt(() => (isBlocked ? api.block(person._id) : api.unblock(person._id)));
    this.#changes++;
    if (isBlocked) this.#people.set(person._id, person);
    else this.#people.delete(person._id);
    chat.draw();
  }
}
