// The messages of one conversation: live, loaded and missed ones, merged by (createdAt, _id)
// whichever comes first. What is shown has no hole: after an interruption the latest page is
// read, and pages before it until one meets what is known.
//
//   const thread = new Thread();
//   thread.add(message);             // live
//   await thread.load(fetchPage);    // fetchPage(limit, before?) gives a page, oldest first
//   thread.markStale();              // something may have been missed: load again
import { byTime, placeOf } from './order.js';
import { later, States } from './states.js';

const pagesMost = 10; // to close a hole with; beyond it what is older is read anew, by scrolling
const holePage = 200;
const keptMost = 500; // messages of a conversation that is not open; of more the newest stay
const keptThen = 200;

export class Thread {
  static pageSize = 50;

  messages = [];
  byId = new Map();
  isLoaded = false;
  isStale = true;
  hasOlder = true;
  #interruptions = 0;
  #loading = null;
  #edge = null; // the newest message without a hole before it

  /** states: of messages that were changed, perhaps before they are here. */
  constructor(states = new States()) { this.states = states; }

  get last() { return this.messages.at(-1); }

  /**
   * A message that is new, or a newer state of one that is known. True if it is new and shown:
   * a recovery may bring some from before the oldest, where others are missing. Scrolling reads those.
   */
  add(message) { return !this.#isBeyond(message) && this.#insert(message); }

  #isBeyond(message) { return this.isLoaded && this.hasOlder && this.messages.length > 0 && byTime(message, this.messages[0]) < 0; }

  #insert(message) {
    const known = this.byId.get(message._id);
    if (known) {
      this.#replace(known, message);
      return false;
    }
    message = this.states.of(message);
    this.messages.splice(placeOf(this.messages, message, byTime), 0, message);
    this.byId.set(message._id, message);
    return true;
  }

  /** A newer state of a message; if it is not known, for when it is. */
  update(message) {
    this.states.note(message);
    const known = this.byId.get(message._id);
    if (known) this.#replace(known, message);
  }

  /** What somebody wrote is gone, all of it. */
  deleteOf(userId, at) {
    for (const message of [...this.messages]) {
      if (message.senderId === userId && !message.deletedAt) this.update({ ...message, message: '', deletedAt: at });
    }
  }

  #replace(known, message) {
    // What was edited or deleted is never undone by an answer that was under way.
    const state = later(known, this.states.of(message));
    if (state === known) return;
    this.messages[this.messages.indexOf(known)] = state;
    this.byId.set(state._id, state);
  }

  markStale() {
    if (!this.isStale) this.#edge = this.last ?? null;
    this.isStale = true;
    this.#interruptions++;
  }

  /** Read what is missing. Rejects as fetchPage does, and is then still stale. */
  load(fetchPage, size = Thread.pageSize) {
    this.#loading ??= this.#load(fetchPage, size).finally(() => { this.#loading = null; });
    return this.#loading;
  }

  async #load(fetchPage, size) {
    while (this.isStale) {
      const interruption = this.#interruptions;
      const newest = await this.#closeHole(fetchPage, size);
      this.isLoaded = true;
      if (interruption === this.#interruptions) this.isStale = false;
      else this.#edge = newest ?? this.#edge; // what came live since then may have a hole before it
    }
  }

  async #closeHole(fetchPage, size) {
    let page = await fetchPage(size);
    let isWhole = page.length < size;
    const fetched = [...page];
    for (let pages = 1; this.#edge && !this.#meets(page, isWhole) && pages <= pagesMost; pages++) {
      page = await fetchPage(holePage, page[0]._id);
      isWhole = page.length < holePage;
      fetched.unshift(...page);
    }
    if (!this.#edge || !this.#meets(page, isWhole)) this.#forgetBefore(fetched[0]);
    for (const message of fetched) this.#insert(message);
    if (isWhole) this.hasOlder = false;
    return fetched.at(-1);
  }

  #meets(page, isWhole) { return isWhole || byTime(page[0], this.#edge) <= 0; }

  #forgetBefore(oldest) {
    if (!oldest) return;
    for (const message of this.messages) {
      if (byTime(message, oldest) < 0) this.byId.delete(message._id);
    }
    this.messages = this.messages.filter((message) => byTime(message, oldest) >= 0);
    this.hasOlder = true;
  }

  /** It is not open, and may grow all the same. */
  trim() { if (this.messages.length > keptMost) this.#forgetBefore(this.messages.at(-keptThen)); }

  /** Read the page before the oldest. */
  async loadOlder(fetchPage) {
    const oldest = this.messages[0];
    if (!oldest || !this.hasOlder) return;
    const page = await fetchPage(Thread.pageSize, oldest._id);
    if (this.messages[0]._id !== oldest._id) return; // forgotten meanwhile
    for (const message of page) this.#insert(message);
    this.hasOlder = page.length === Thread.pageSize;
  }
}
