// The lists of the left side: conversations, everybody, and whom a search finds.
import * as api from './core/api.js';
import { byTime } from './core/order.js';
import { Pages } from './core/pages.js';
import { matches } from './core/text.js';
import { t } from './strings.js';

const lookEvery = 1000; // ms; at most so often the list of people is read again
const searchAfter = 200; // ms without a key
const latestTalks = 8;

export class Lists {
  query = '';
  #found = [];
  #lookedAt = 0;
  #timer;

  constructor(chat) {
    this.chat = chat;
    const { inbox } = chat;
    this.talks = new Pages(api.conversations, (items) => { for (const item of items) chat.takeConversation(item); });
    this.everybody = new Pages(api.people, (items) => { for (const user of items) inbox.list(user); });
    this.searching = new Pages((next) => api.search(this.query, next), (items, isFirst) => {
      const ids = items.filter((user) => user._id !== chat.user._id && inbox.learn(user)).map((user) => user._id);
      this.#found = isFirst ? ids : [...this.#found, ...ids];
    });
  }

  #load(name, pages, how = 'more') {
    const { chat } = this;
    return chat.again.try(name, async () => {
      await chat.session.attempt(async () => {
        await pages[how]();
        if (pages.state === 'failed') throw pages.problem;
      }).finally(() => chat.draw());
    });
  }

  loadTalks() { return this.#load('talks', this.talks, 'restart'); }

  /** Under a name of its own: a page further down does not take the place of a list that is to be read anew. */
  #more() { this.#load('more talks', this.talks); }

  /** What came between the first load and the connection: a few, or else all is read again. */
  loadLatestTalks() {
    const { chat, talks } = this;
    chat.again.try('talks', async () => {
      const items = talks.hasBegun ? await chat.session.attempt(() => api.latestConversations(latestTalks)) : [];
      const known = chat.inbox.conversation(items.at(-1)?.user._id).lastMessage;
      const isEnough = talks.hasBegun && (items.length < latestTalks || (known && byTime(items.at(-1).lastMessage, known) <= 0));
      for (const item of items) chat.takeConversation(item);
      if (!isEnough) await talks.restart();
      chat.draw();
      if (talks.state === 'failed') throw talks.problem;
    });
  }

  /** The list has been scrolled near its end. */
  more() {
    const { talks, everybody, searching } = this;
    if (this.query) {
      if (searching.state === 'more') this.#load('search', searching);
    } else if (talks.state === 'more') {
      this.#more();
    } else if (['done', 'failed'].includes(talks.state) && ['new', 'more'].includes(everybody.state)) {
      this.#load('people', everybody);
    }
  }

  /** Somebody looks at the list: is anybody new? */
  look() {
    const { chat } = this;
    if (this.everybody.state !== 'done' || Date.now() - this.#lookedAt < lookEvery) return;
    this.#lookedAt = Date.now();
    api.people().then(({ items }) => { for (const user of items) chat.inbox.list(user); chat.draw(); }, () => {});
  }

  search(text) {
    const { chat } = this;
    this.query = text.trim();
    this.#found = this.query ? this.#found.filter((id) => matches(chat.inbox.people.get(id), this.query)) : []; // until it is known who else is
    this.searching.drop();
    chat.sidebar.rows.toTop();
    clearTimeout(this.#timer);
    chat.again.stop('search');
    if (this.query) this.#timer = setTimeout(() => this.#load('search', this.searching, 'restart'), searchAfter);
    chat.draw();
  }

  forget(id) { this.#found = this.#found.filter((one) => one !== id); }

  /** What the sidebar draws. */
  get shown() {
    const { inbox, outbox } = this.chat;
    const at = (id) => outbox.of(id).at(-1)?.at ?? 0;
    const withPeople = ['done', 'failed'].includes(this.talks.state) || this.everybody.hasBegun;
    const keys = inbox.rows({ query: this.query, found: this.#found, at, withPeople });
    return { keys, empty: this.#emptyText(keys), problem: this.#problem() };
  }

  #emptyText(keys) {
    if (keys.length > 0) return '';
    if (this.query) return this.searching.isLoading ? t.loading : this.searching.state === 'failed' ? '' : t.noneFound;
    if (this.talks.state === 'failed' || this.everybody.state === 'failed') return '';
    return this.everybody.isDone ? t.nobody : t.loading;
  }

  #problem() {
    if (this.query) {
      return this.searching.state === 'failed' ? { text: t.searchFailed, retry: () => this.#load('search', this.searching) } : null;
    }
    if (this.talks.state === 'failed') return { text: t.conversationsFailed, retry: () => this.#more() };
    if (this.everybody.state === 'failed') return { text: t.peopleFailed, retry: () => this.#load('people', this.everybody) };
    return null;
  }

  close() { clearTimeout(this.#timer); }
}
