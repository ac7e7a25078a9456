// Whose presence is on the screen, and what it is.

const watchMost = 500;
const watchEvery = 250; // ms; a server takes five sets a second
const againLeast = 1000; // ms after it refused one, twice as long each time
const againMost = 30000;

export class Presence {
  #watched = null; // what the server was told last
  #refusals = 0;
  #timer;

  constructor(chat) { this.chat = chat; }

  /** Another connection: it watches nobody yet. */
  restart() {
    this.close();
    this.#watched = null;
    this.#refusals = 0;
    this.soon();
  }

  /** Somebody else may be on the screen. */
  soon(ms = watchEvery) { this.#timer ??= setTimeout(() => { this.#timer = undefined; this.#watch(); }, ms); }

  #watch() {
    const { chat } = this;
    const users = [...new Set([chat.user._id, chat.openId, ...chat.sidebar.rows.visible])].filter(Boolean).slice(0, watchMost);
    const wanted = users.join();
    if (!chat.isConnected || wanted === this.#watched) return;
    this.#watched = wanted;
    chat.socket.ask('watch', { users }, (states) => {
      if (Array.isArray(states)) {
        this.#refusals = 0;
        this.take(states);
      } else this.#refused();
      chat.draw();
    });
  }

  /** It was too often, or the server cannot tell just now. */
  #refused() {
    this.#watched = null;
    this.soon(Math.min(againMost, againLeast * 2 ** this.#refusals++) * (0.5 + Math.random() / 2));
  }

  take(states) {
    for (const { userId: _id, online, status, statusNote } of states) this.chat.learn({ _id, online, status, statusNote });
  }

  close() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
