// For the tests of the page's core: storage, ids, messages.

/** localStorage, in memory. */
export class MemoryStorage {
  map = new Map();
  get length() { return this.map.size; }
  key(i) { return [...this.map.keys()][i] ?? null; }
  getItem(name) { return this.map.get(name) ?? null; }
  setItem(name, value) {
    if (this.isFull) throw new Error('QuotaExceededError');
    this.map.set(name, String(value));
  }
  removeItem(name) { this.map.delete(name); }
}

export const me = '0000000000000000000000aa';
export const ann = '0000000000000000000000bb';
export const bob = '0000000000000000000000cc';

const begin = Date.parse('2026-01-31T12:00:00.000Z');

/** The nth message, a second after the one before. */
export function message(n, { from = ann, to = me, text = `text ${n}`, at = begin + n * 1000, id } = {}) {
  const createdAt = new Date(at).toISOString();
  const _id = id ?? Math.floor(at / 1000).toString(16).padStart(8, '0') + n.toString(16).padStart(16, '0');
  return { senderId: from, receiverId: to, message: text, _id, createdAt, updatedAt: createdAt, __v: 0 };
}

export const messages = (from, to) => Array.from({ length: to - from }, (_, i) => message(from + i));

/** A server's history: fetchPage of the page's Thread. */
export class History {
  asked = [];
  constructor(all) { this.all = all; }
  fetch = async (limit, before) => {
    this.asked.push({ limit, before });
    const end = before ? this.all.findIndex((one) => one._id === before) : this.all.length;
    return this.all.slice(Math.max(0, end - limit), end);
  };
}

/** Until what was resolved has been heard of. */
export const settle = () => new Promise((resolve) => { setImmediate(resolve); });
