// Those who come, write to one who stays, and are gone for good; one after the other.
import { randomUUID } from 'node:crypto';
import { Person } from '../support/api.mjs';

const RETRY_MS = 300;
const WORDS = 6;
const LIFE_MS = 1500; // from one to the next, at least: each costs two hashes, and one more in the end
const pause = () => new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });

/** What the server made of a request: nothing if it did not answer. */
async function tried(request) {
  try {
    const { status, json, text } = await request();
    return { status, json, ...(status >= 300 && { error: text.slice(0, 100) }) };
  } catch (error) {
    return { error: error.cause?.code ?? error.name };
  }
}

export class Leavers {
  /** Whoever stays is there before anything breaks. */
  static async gather(url) {
    const leavers = new Leavers();
    return Object.assign(leavers, { url, stayer: await Person.signUp(url, 'stayer'), list: [] });
  }

  /** One more life, if none goes on, and it is time. */
  next() {
    if (this.life || Date.now() < (this.due ?? 0)) return;
    this.due = Date.now() + LIFE_MS;
    this.life = this.#live(this.list.length + 1).finally(() => { this.life = undefined; });
  }

  async #live(number) {
    const person = await Person.signUp(this.url, `leaver${number}`).catch(() => null);
    if (!person || this.isOver) return;
    const leaver = { name: person.user.username, person, sends: [], attempts: [] };
    this.list.push(leaver);
    for (let word = 1; word < WORDS; word++) await this.#say(leaver, word);
    // A last word at the same moment: it is refused, or goes with the others.
    await Promise.all([this.#go(leaver), this.#say(leaver, WORDS)]);
  }

  async #say(leaver, word) {
    const text = `${leaver.name}'s word ${word}`, key = randomUUID();
    for (;;) {
      const { status, json } = await tried(() => leaver.person.send(this.stayer, text, { 'idempotency-key': key }));
      if (status === 201) leaver.sends.push({ _id: json._id, text });
      if (status >= 200 && status < 500) return;
      await pause();
    }
  }

  async #go({ person, attempts }) {
    for (;;) {
      attempts.push(await tried(() => person.erase()));
      const { status } = attempts.at(-1);
      if (status >= 200 && status < 500) return;
      await pause();
    }
  }

  async finish() {
    this.isOver = true;
    await this.life;
  }

  /** What is left of each of them, as the checker wants it. A log-in that was refused is not tried again. */
  async observe() {
    const seen = [];
    for (const leaver of this.list) {
      const { name, person, sends, attempts } = leaver;
      const history = await this.stayer.history(person);
      if (history.status !== 200) throw new Error(`history of ${name}: ${history.status} ${history.text}`);
      if (leaver.login !== 400) leaver.login = (await person.logIn()).status;
      if (leaver.profile !== 404) leaver.profile = (await this.stayer.get(`/api/users/profile/${person.id}`)).status;
      seen.push({ name, sends, attempts, history: history.json, login: leaver.login, profile: leaver.profile });
    }
    return seen;
  }
}
