// What is known to have become of messages: what comes of one later, but says less, is no news.

const most = 1000; // messages; of more, those that were told of first are forgotten

/** Is the first the later state of a message, or the same one? What was deleted stays so. */
function isLater(one, other) {
  if (Boolean(one.deletedAt) !== Boolean(other.deletedAt)) return Boolean(one.deletedAt);
  return (one.deletedAt ?? one.editedAt ?? '') >= (other.deletedAt ?? other.editedAt ?? '');
}

/** The later of two states of a message. */
export const later = (known, message) => (known && !isLater(message, known) ? known : message);

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
