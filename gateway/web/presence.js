// Whose presence is on the screen, and what it is.

const watchMost = 500;
const watchEvery = 250; // ms; a server takes five sets a second

export class Presence {
  #watched = null; // what the server was told last
  #timer;

  constructor(chat) { this.chat = chat; }

  /** Another connection: it watches nobody yet. */
  restart() {
    this.#watched = null;
    this.soon();
  }

  /** Somebody else may be on the screen. */
  soon() { this.#timer ??= setTimeout(() => { this.#timer = undefined; this.#watch(); }, watchEvery); }

  #watch() {
    const { chat } = this;
    const users = [...new Set([chat.user._id, chat.openId, ...chat.sidebar.rows.visible])].filter(Boolean).slice(0, watchMost);
    const wanted = users.join();
    if (!chat.isConnected || wanted === this.#watched) return;
    this.#watched = wanted;
    chat.socket.ask('watch', { users }, (states) => {
      if (Array.isArray(states)) this.take(states);
      else this.#watched = null; // refused, for it was too often: with the next change, or event
      chat.draw();
    });
  }

  take(states) {
    const { user, inbox } = this.chat;
    for (const { userId, online, status, statusNote } of states) {
      if (userId === user._id) Object.assign(user, { status, statusNote });
      else if (inbox.people.has(userId)) inbox.learn({ _id: userId, online, status, statusNote });
    }
  }

  close() { clearTimeout(this.#timer); }
}
