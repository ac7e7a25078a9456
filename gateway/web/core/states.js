// What is known to have become of messages: what comes of one later, but says less, is no news.

const most = 1000; // messages; of more, those that were told of first are forgotten

/** Is the first the later state of a message, or the same one? What was deleted stays so. */
function isLater(one, other) {
  if (Boolean(one.deletedAt) !== Boolean(other.deletedAt)) return Boolean(one.deletedAt);
  return (one.deletedAt ?? one.editedAt ?? '') >= (other.deletedAt ?? other.editedAt ?? '');
}

/** The later of two states of a message. */
export const later = (known, message) => (known && !isLater(message, known) ? known : message);

/** Of several things that are told of people, in whatever order they come. */
export class News {
  #at = new Map(); // id and field -> when it was told live

  /** What is news of somebody. An answer has askedAt, and says nothing of what was told live after that. */
  of({ askedAt, ...fields }) {
    const { _id } = fields;
    for (const name of Object.keys(fields)) {
      const key = `${_id} ${name}`;
      if (askedAt === undefined) this.#at.set(key, performance.now());
      else if (this.#at.get(key) >= askedAt) delete fields[name];
    }
    return { ...fields, _id };
  }
}

export class States {
  #states = new Map();

  /** A message was edited, or deleted, whether it has been loaded or not. */
  note(message) {
    const state = this.of(message);
    this.#states.delete(message._id);
    this.#states.set(message._id, state);
    if (this.#states.size > most) this.#states.delete(this.#states.keys().next().value);
  }

  /** A message as it is by now. */
  of(message) { return later(this.#states.get(message._id), message); }
}
