// What is to reach the server: kept in the browser over a reload, sent one at a time, in order.
// What fails stays until somebody says what becomes of it.
//
//   item: {key, at, state: 'waiting' | 'sending' | 'failed', reason?, isFinal?, owner, ...}
//
// post(item) gives the answer. It rejects with an error whose `isWaiting` says that the item is to
// wait for the next resume(). After a 429 it waits for as long as the answer says, and those behind it
// do, too. Any other error makes it fail, and isFinal says that a second try would do so, too. owner is the
// page that has it; another one takes it over when that is gone.

export const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');

/** Would a second try be refused, too? */
const isFinal = ({ status, code }) => [400, 404, 410, 413].includes(status) || ['TOO_LATE', 'AUTO_REPLY', 'FORBIDDEN'].includes(code);

const waitMost = 60; // seconds; a budget that is empty for longer is a failure

/** For how many seconds one is to wait, if that is all that is wrong. */
const waitOf = ({ status, code, retryAfter = 1 }) => (status === 429 && code !== 'QUOTA' && retryAfter <= waitMost ? retryAfter : 0);

export class Queue {
  #items = [];
  #isOpen = false;
  #isBusy = false;
  #isHeld = false; // the server said: later

  constructor({ name, userId, storage, owner = newKey(), post, onSent = () => {}, onChange = () => {}, now = Date.now, after = (ms, f) => setTimeout(f, ms) }) {
    Object.assign(this, { storage, owner, post, onSent, onChange, now, after });
    this.prefix = `parley.${name}.${userId}.`;
  }

  /** Who else, of this browser's pages of before, left something here. */
  owners() {
    return [...new Set(this.#stored().map((item) => item.owner).filter((owner) => owner !== this.owner))];
  }

  /** Take over what a page left that is gone. */
  adopt(owner) {
    for (const item of this.#stored()) {
      if (item.owner === owner && !this.#items.some((one) => one.key === item.key)) {
        if (item.state === 'sending') item.state = 'waiting';
        this.#items.push(item);
        this.keep(item);
      }
    }
    this.#items.sort((a, b) => a.at - b.at);
    this.#changed();
  }

  #stored() {
    const items = [];
    for (let i = 0; i < (this.storage?.length ?? 0); i++) {
      const name = this.storage.key(i);
      if (!name?.startsWith(this.prefix)) continue;
      try {
        const item = JSON.parse(this.storage.getItem(name));
        if (typeof item?.key === 'string' && this.isOurs(item)) items.push(item);
      } catch { /* not ours */ }
    }
    return items;
  }

  keep(item) {
    item.owner = this.owner;
    try {
      this.storage?.setItem(this.prefix + item.key, JSON.stringify(item));
    } catch { /* full: it is kept while the page is */ }
  }

  #changed() {
    this.onChange();
    this.pump();
  }

  get all() { return this.#items; }

  find(key) { return this.#items.find((one) => one.key === key); }

  put(fields) {
    const item = { key: newKey(), ...fields, at: this.#nextAt(), state: 'waiting' };
    this.#items.push(item);
    this.keep(item);
    this.#changed();
    return item;
  }

  #nextAt() { return Math.max(this.now(), (this.#items.at(-1)?.at ?? 0) + 1); }

  retry(key) {
    const item = this.find(key);
    if (item?.state !== 'failed') return;
    this.#items.splice(this.#items.indexOf(item), 1);
    Object.assign(item, { state: 'waiting', reason: undefined, at: this.#nextAt() });
    this.#items.push(item);
    this.keep(item);
    this.#changed();
  }

  /** Not while it is under way: it may be with the server already. */
  remove(key) {
    const item = this.find(key);
    if (item && item.state !== 'sending') this.#drop(item);
  }

  #drop(item) {
    this.#items.splice(this.#items.indexOf(item), 1);
    this.storage?.removeItem(this.prefix + item.key);
    this.#changed();
  }

  resume() {
    this.#isOpen = true;
    this.pump();
  }

  pause() { this.#isOpen = false; }

  /** May this item go now? */
  isReady() { return true; }

  #hold(seconds) {
    this.#isHeld = true;
    this.after(seconds * 1000, () => { this.#isHeld = false; this.pump(); });
  }

  async pump() {
    if (this.#isBusy || this.#isHeld || !this.#isOpen) return;
    const item = this.#items.find((one) => one.state === 'waiting' && this.isReady(one));
    if (!item) return;
    this.#isBusy = true;
    Object.assign(item, { state: 'sending', isTried: true });
    this.keep(item);
    this.onChange();
    const outcome = await this.post(item).then((answer) => ({ answer }), (error) => ({ error }));
    this.#isBusy = false;
    this.#ended(item, outcome);
  }

  #ended(item, { answer, error }) {
    if (answer) {
      this.onSent(item, answer);
      this.#drop(item);
      return;
    }
    if (error.isWaiting) {
      item.state = 'waiting';
      this.pause();
    } else if (waitOf(error) > 0) {
      item.state = 'waiting';
      this.#hold(waitOf(error));
    } else {
      Object.assign(item, { state: 'failed', reason: error.message, isFinal: isFinal(error) });
    }
    this.keep(item);
    this.#changed();
  }
}
