// What was written and is not with the server yet: kept over a reload, sent one at a time, in
// order, each under a key of its own, so that a second try stores nothing twice. What fails
// stays in its conversation until somebody says "Retry" or "Delete".
//
//   item: {key, to, text, at, state: 'waiting' | 'sending' | 'failed', reason?}
//
// post(item) gives the message. It rejects with an error whose `isWaiting` says that the item
// is to wait for the next resume(); any other error makes it fail.

const isOurs = (item) => typeof item?.key === 'string' && typeof item.to === 'string' && typeof item.text === 'string';

export const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');

export class Outbox {
  #items = [];
  #isOpen = false;
  #isBusy = false;

  constructor({ userId, storage, owner = newKey(), post, onSent = () => {}, onChange = () => {}, now = Date.now }) {
    Object.assign(this, { storage, owner, post, onSent, onChange, now });
    this.prefix = `parley.outbox.${userId}.`;
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
        this.#keep(item);
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
        if (isOurs(item)) items.push(item);
      } catch { /* not ours */ }
    }
    return items;
  }

  #keep(item) {
    item.owner = this.owner;
    try {
      this.storage?.setItem(this.prefix + item.key, JSON.stringify(item));
    } catch { /* full: it is kept while the page is */ }
  }

  #changed() {
    this.onChange();
    this.#pump();
  }

  get all() { return this.#items; }

  of(to) { return this.#items.filter((item) => item.to === to); }

  add(to, text) {
    const item = { key: newKey(), to, text, at: this.#nextAt(), state: 'waiting' };
    this.#items.push(item);
    this.#keep(item);
    this.#changed();
    return item;
  }

  #nextAt() { return Math.max(this.now(), (this.#items.at(-1)?.at ?? 0) + 1); }

  retry(key) {
    const item = this.#items.find((one) => one.key === key);
    if (item?.state !== 'failed') return;
    this.#items.splice(this.#items.indexOf(item), 1);
    Object.assign(item, { state: 'waiting', reason: undefined, at: this.#nextAt() });
    this.#items.push(item);
    this.#keep(item);
    this.#changed();
  }

  /** Not while it is under way: it may be with the server already. */
  remove(key) {
    const item = this.#items.find((one) => one.key === key);
    if (item && item.state !== 'sending') this.#drop(item);
  }

  #drop(item) {
    this.#items.splice(this.#items.indexOf(item), 1);
    this.storage?.removeItem(this.prefix + item.key);
    this.#changed();
  }

  resume() {
    this.#isOpen = true;
    this.#pump();
  }

  pause() { this.#isOpen = false; }

  async #pump() {
    if (this.#isBusy || !this.#isOpen) return;
    const item = this.#items.find((one) => one.state === 'waiting');
    if (!item) return;
    this.#isBusy = true;
    item.state = 'sending';
    this.#keep(item);
    this.onChange();
    const outcome = await this.post(item).then((message) => ({ message }), (error) => ({ error }));
    this.#isBusy = false;
    this.#ended(item, outcome);
  }

  #ended(item, { message, error }) {
    if (message) {
      this.onSent(item, message);
      this.#drop(item);
      return;
    }
    if (error.isWaiting) {
      item.state = 'waiting';
      this.pause();
    } else {
      item.state = 'failed';
      item.reason = error.message;
    }
    this.#keep(item);
    this.#changed();
  }
}
