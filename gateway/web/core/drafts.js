// What is being written, for each conversation, over switching and reload.

export class Drafts {
  #texts = new Map();

  constructor({ userId, storage }) {
    this.storage = storage;
    this.prefix = `parley.draft.${userId}.`;
    for (let i = 0; i < (storage?.length ?? 0); i++) {
      const name = storage.key(i);
      if (name?.startsWith(this.prefix)) this.#texts.set(name.slice(this.prefix.length), storage.getItem(name));
    }
  }

  of(id) { return this.#texts.get(id) ?? ''; }

  set(id, text) {
    if (text === this.of(id)) return;
    try {
      if (text) this.storage?.setItem(this.prefix + id, text);
      else this.storage?.removeItem(this.prefix + id);
    } catch { /* full: it is kept while the page is */ }
    if (text) this.#texts.set(id, text);
    else this.#texts.delete(id);
  }
}
