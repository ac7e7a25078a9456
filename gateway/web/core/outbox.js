// What was written and is not with the server yet. Each item goes under a key of its own, so that
// a second try stores nothing twice.
//
//   item: {key, to, text, ...}, of core/queue.js
import { newKey, Queue } from './queue.js';

export { newKey };

export class Outbox extends Queue {
  constructor(options) { super({ name: 'outbox', ...options }); }

  isOurs(item) { return typeof item.to === 'string' && typeof item.text === 'string'; }

  of(to) { return this.all.filter((item) => item.to === to); }

  add(to, text) { return this.put({ to, text }); }

  /** Another text for what has not been tried: after that the server may have the first one. */
  change(key, text) {
    const item = this.find(key);
    if (!item || item.isTried) return false;
    item.text = text;
    this.keep(item);
    this.onChange();
    return true;
  }
}
