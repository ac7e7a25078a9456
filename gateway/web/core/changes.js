// Edits and deletes of one's own messages that are not with the server yet.
//
//   item: {key, target, to, kind: 'edit' | 'delete', text?, ...}, of core/queue.js
//
// target is the message's id, or, while that is not known, the key that it is sent under: then the
// change waits until named() tells the id.
import { Queue } from './queue.js';

const isId = (target) => /^[0-9a-f]{24}$/.test(target);

export class Changes extends Queue {
  constructor(options) { super({ name: 'changes', ...options }); }

  isOurs(item) { return typeof item.target === 'string' && ['edit', 'delete'].includes(item.kind); }

  isReady(item) { return isId(item.target); }

  /** The last one of a message. */
  of(target) { return this.all.findLast((item) => item.target === target); }

  edit(target, to, text) { return this.#put({ target, to, kind: 'edit', text }); }

  delete(target, to) { return this.#put({ target, to, kind: 'delete' }); }

  /** What was meant before, and is not under way, is not meant any more. */
  #put(fields) {
    this.forget(fields.target);
    return this.put(fields);
  }

  forget(target) { for (const item of this.all.filter((one) => one.target === target)) this.remove(item.key); }

  /** A message that was on its way has its id. */
  named(key, id) {
    const items = this.all.filter((item) => item.target === key);
    for (const item of items) {
      item.target = id;
      this.keep(item);
    }
    if (items.length > 0) this.pump();
  }
}
