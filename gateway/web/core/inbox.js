// People, and the conversations with them: whom the server told of, in the order to show them.
//
//   person:       {_id, fullName, username, status, statusNote?, online?}
//   conversation: {lastMessage, unread, readUpTo, theirReadUpTo, theirDeliveredUpTo}
import { byTime, isWithin, laterMark, placeOf } from './order.js';
import { later, States } from './states.js';
import { fold, matches } from './text.js';

export const unreadMost = 100; // and it means: or more

const blank = () => ({ lastMessage: null, unread: 0, readUpTo: null, theirReadUpTo: null, theirDeliveredUpTo: null, live: [] });

export class Inbox {
  people = new Map();
  conversations = new Map();
  #order = []; // of everybody loaded: {_id, name}
  #names = new Map(); // id -> the name in #order
  #called = new Map(); // folded name -> how many have it

  /** states: of messages that were changed, perhaps before they are here. */
  constructor(userId, states = new States()) { Object.assign(this, { userId, states }); }

  /** Someone, or what is new of them. */
  learn(user) {
    const known = this.people.get(user._id);
    const person = { ...known, ...user };
    this.people.set(user._id, person);
    if (known?.fullName !== person.fullName) {
      if (known) this.#count(known, -1);
      this.#count(person, 1);
    }
    if (this.#names.has(user._id)) this.#arrange(person);
    return person;
  }

  #count({ fullName = '' }, by) {
    const name = fold(fullName);
    this.#called.set(name, (this.#called.get(name) ?? 0) + by);
  }

  /** Has somebody else the same name? */
  isNamesake({ fullName = '' }) { return this.#called.get(fold(fullName)) > 1; }

  /** Without a connection nobody is known to be online, or not. */
  forgetOnline() { for (const person of this.people.values()) person.online = undefined; }

  /** Somebody of the list of everybody. */
  list(user) {
    if (user._id === this.userId) return;
    this.#arrange(this.learn(user));
  }

  /** In the order of names. */
  #arrange(user) {
    const row = { _id: user._id, name: fold(user.fullName) };
    const known = this.#names.get(user._id);
    if (known === row.name) return;
    if (known !== undefined) this.#order = this.#order.filter(({ _id }) => _id !== user._id); // another name by now
    this.#names.set(user._id, row.name);
    const compare = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a._id < b._id ? -1 : a._id > b._id ? 1 : 0);
    this.#order.splice(placeOf(this.#order, row, compare), 0, row);
  }

  /** Somebody is gone, for everybody. */
  forget(id) {
    this.people.delete(id);
    this.conversations.delete(id);
    if (this.#names.delete(id)) this.#order = this.#order.filter(({ _id }) => _id !== id);
  }

  conversation(id) { return this.conversations.get(id) ?? blank(); }

  #open(id) {
    let entry = this.conversations.get(id);
    if (!entry) this.conversations.set(id, entry = blank());
    return entry;
  }

  /** What the server says of a conversation; what came live meanwhile is counted on top. */
  take({ user, ...told }) {
    this.learn(user);
    const entry = this.#open(user._id);
    entry.live = entry.live.filter((message) => !told.lastMessage || byTime(message, told.lastMessage) > 0);
    const isNewer = !entry.lastMessage || (told.lastMessage && byTime(told.lastMessage, entry.lastMessage) >= 0);
    Object.assign(entry, {
      lastMessage: isNewer ? this.#stateOf(told.lastMessage, entry.lastMessage) : entry.lastMessage,
      unread: Math.min(unreadMost, told.unread + entry.live.length),
      readUpTo: told.readUpTo ?? entry.readUpTo,
      theirReadUpTo: laterMark(entry.theirReadUpTo, told.theirReadUpTo),
      theirDeliveredUpTo: laterMark(entry.theirDeliveredUpTo, told.theirDeliveredUpTo),
    });
  }

  /** A message that came live, or that was sent. True if it counts as unread. */
  add(message) {
    const isTheirs = message.senderId !== this.userId;
    const entry = this.#open(isTheirs ? message.senderId : message.receiverId);
    if (entry.lastMessage && byTime(message, entry.lastMessage) < 0) return false;
    const isKnown = entry.lastMessage?._id === message._id;
    entry.lastMessage = this.#stateOf(message, entry.lastMessage);
    if (!isTheirs || isKnown || entry.lastMessage.deletedAt) return false;
    entry.live.push(message);
    entry.unread = Math.min(unreadMost, entry.unread + 1);
    return true;
  }

  #stateOf(message, known) {
    if (!message) return message;
    return later(known?._id === message._id ? known : undefined, this.states.of(message));
  }

  /** A message was edited, or deleted. True if only the server knows how many are unread now. */
  update(message) {
    this.states.note(message);
    const isTheirs = message.senderId !== this.userId;
    const entry = this.conversations.get(isTheirs ? message.senderId : message.receiverId);
    if (!entry) return false;
    if (entry.lastMessage?._id === message._id) entry.lastMessage = this.#stateOf(message, entry.lastMessage);
    if (!message.deletedAt || !isTheirs || entry.unread === 0) return false;
    const live = entry.live.filter(({ _id }) => _id !== message._id);
    if (live.length === entry.live.length) return true;
    entry.live = live;
    if (entry.unread < unreadMost) entry.unread--;
    return entry.unread >= unreadMost;
  }

  /** One has read it: here, or elsewhere. known: messages by id, as many as there are. */
  read(id, upTo, unread = 0, known = new Map()) {
    const entry = this.#open(id);
    const all = new Map([...known, ...[...entry.live, entry.lastMessage].filter(Boolean).map((message) => [message._id, message])]);
    entry.readUpTo = laterMark(entry.readUpTo, upTo, all);
    entry.live = entry.live.filter((message) => !isWithin(message, upTo, all));
    entry.unread = Math.min(unreadMost, Math.max(unread, entry.live.length));
  }

  /** The other has read it, or has it. */
  told(id, field, upTo, known) {
    const entry = this.conversations.get(id);
    if (entry) entry[field] = laterMark(entry[field], upTo, known);
  }

  /** How far a message of one's own has come. */
  stateOf(message, id, known) {
    const entry = this.conversation(id);
    if (isWithin(message, entry.theirReadUpTo, known)) return 'read';
    return isWithin(message, entry.theirDeliveredUpTo, known) ? 'delivered' : 'sent';
  }

  get unread() {
    let sum = 0;
    for (const entry of this.conversations.values()) sum += entry.unread;
    return sum;
  }

  /** Ids to show: conversations, the latest first, then everybody else. at(id) may put one up. */
  rows({ query = '', found = [], at = () => 0, withPeople = true } = {}) {
    const talked = this.#talked(at);
    if (query) {
      const ids = talked.filter((id) => matches(this.people.get(id), query));
      return [...new Set([...ids, ...found])];
    }
    const shown = new Set(talked);
    return withPeople ? [...talked, ...this.#order.map((row) => row._id).filter((id) => !shown.has(id))] : talked;
  }

  #talked(at) {
    const times = new Map();
    for (const [id, entry] of this.conversations) {
      const time = Math.max(entry.lastMessage ? Date.parse(entry.lastMessage.createdAt) : 0, at(id));
      if (time > 0 && this.people.has(id)) times.set(id, time);
    }
    return [...times.keys()].sort((a, b) => times.get(b) - times.get(a) || (a < b ? -1 : 1));
  }
}
