// People, and the conversations with them: whom the server told of, in the order to show them.
//
//   person:       {_id, fullName, username, status, statusNote?, online?}
//   conversation: {lastMessage, unread, readUpTo, theirReadUpTo, theirDeliveredUpTo}
//
// An answer's askedAt is when it was asked for: what happened since then is not in it.
import { byTime, isBefore, isWithin, laterMark, placeOf } from './order.js';
import { later, News, States } from './states.js';
import { fold, matches } from './text.js';

export const unreadMost = 100; // and it means: or more

// Of what the server told last the number is of until its last message: `counted`; what came after that
// came live, the newest unreadMost of it. marked: the message of readUpTo, if it is known; changedAt: when something was read, or gone.
const blank = () => ({ lastMessage: null, unread: 0, readUpTo: null, theirReadUpTo: null, theirDeliveredUpTo: null, live: [], changedAt: -1 });

export class Inbox {
  people = new Map();
  conversations = new Map();
  #order = []; // of everybody loaded: {_id, name}
  #names = new Map(); // id -> the name in #order
  #called = new Map(); // folded name -> how many have it
  #early = new Map(); // id -> what was told of somebody who is not known yet
  #gone = new Set(); // ids
  #news = new News();

  /** states: of messages that were changed, perhaps before they are here. */
  constructor(userId, states = new States()) { Object.assign(this, { userId, states }); }

  /** What of somebody is news: see News. */
  newsOf(user) { return this.#news.of(user); }

  /** Someone, or what is new of them. Nobody, if they are gone, or not known by name yet. */
  learn(user) {
    if (this.#gone.has(user._id)) return undefined;
    const known = this.people.get(user._id);
    const person = { ...known ?? this.#early.get(user._id), ...this.#news.of(user) };
    if (person.fullName === undefined) {
      this.#early.set(user._id, person);
      return undefined;
    }
    this.#early.delete(user._id);
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
  forgetOnline() {
    this.#early.clear();
    for (const person of this.people.values()) person.online = undefined;
  }

  /** Somebody of the list of everybody. */
  list(user) {
    const person = user._id !== this.userId && this.learn(user);
    if (person) this.#arrange(person);
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
    const person = this.people.get(id);
    if (person) this.#count(person, -1);
    this.#gone.add(id);
    this.people.delete(id);
    this.conversations.delete(id);
    if (this.#names.delete(id)) this.#order = this.#order.filter(({ _id }) => _id !== id);
  }

  conversation(id) { return this.conversations.get(id) ?? blank(); }

  /** That of somebody who is gone is not kept. */
  #open(id) {
    const entry = this.conversation(id);
    if (!this.#gone.has(id)) this.conversations.set(id, entry);
    return entry;
  }

  /** Messages by id, of those that a conversation knows. */
  #knownOf(entry, known = []) {
    return new Map([...known, ...[...entry.live, entry.lastMessage, entry.marked, entry.counted].filter(Boolean).map((message) => [message._id, message])]);
  }

  /** What the server says of a conversation; what came live meanwhile is counted on top. True if it is to be asked again. */
  take({ user, askedAt, ...told }, known) {
    if (!this.learn({ statusNote: undefined, ...user, askedAt })) return false;
    const entry = this.#open(user._id);
    const { lastMessage, changedAt } = entry;
    const all = this.#knownOf(entry, known);
    const isNewer = !lastMessage || (told.lastMessage && byTime(told.lastMessage, lastMessage) >= 0);
    if (isNewer) entry.lastMessage = this.#stateOf(told.lastMessage, lastMessage);
    for (const mark of ['theirReadUpTo', 'theirDeliveredUpTo']) entry[mark] = laterMark(entry[mark], told[mark], all);
    if (!this.#isPast(entry, askedAt, told)) this.#countFrom(entry, askedAt, told, all);
    return changedAt >= askedAt;
  }

  /** Is an answer surely of before one that was taken? */
  #isPast({ takenAt, counted }, askedAt, { lastMessage }) {
    return askedAt < takenAt || (counted && (!lastMessage || byTime(lastMessage, counted) < 0));
  }

  #countFrom(entry, askedAt, { lastMessage, unread, readUpTo }, all) {
    // The server may not have heard yet how far one has read: then it is asked again once it has.
    entry.isShort = Boolean(entry.readUpTo && (!readUpTo || isBefore(readUpTo, entry.readUpTo, all)));
    if (entry.isShort) return;
    const live = entry.live.filter((message) => !lastMessage || byTime(message, lastMessage) > 0);
    Object.assign(entry, { live, readUpTo, counted: lastMessage, takenAt: askedAt, unread: Math.min(unreadMost, unread + live.length) });
  }

  /** A message that came live, or that was sent. True if it counts as unread. */
  add(message) {
    const isTheirs = message.senderId !== this.userId;
    const entry = this.#open(isTheirs ? message.senderId : message.receiverId);
    const order = entry.lastMessage ? byTime(message, entry.lastMessage) : 1; // what one wrote may be here before it
    if (order >= 0) entry.lastMessage = this.#stateOf(message, entry.lastMessage);
    if (!isTheirs || this.#gone.has(message.senderId) || this.states.of(message).deletedAt || (order <= 0 && this.#hasCounted(entry, message))) return false;
    entry.live.splice(placeOf(entry.live, message, byTime), 0, message);
    if (entry.live.length > unreadMost) entry.live.shift();
    entry.unread = Math.min(unreadMost, entry.unread + 1);
    return true;
  }

  #hasCounted(entry, message) {
    const { counted, marked, live } = entry;
    const dropped = live.length < unreadMost ? null : live[0]; // what is before it was there
    return [counted, marked, dropped].some((one) => one && byTime(message, one) <= 0) || live.some(({ _id }) => _id === message._id);
  }

  #stateOf(message, known) {
    if (!message) return message;
    return later(known?._id === message._id ? known : undefined, this.states.of(message));
  }

  /** A message was edited, or deleted. True if only the server knows how many are unread now. */
  update(message) {
    this.states.note(message);
    const isTheirs = message.senderId !== this.userId;
    const isGone = isTheirs && message.deletedAt;
    const entry = isGone ? this.#open(message.senderId) : this.conversations.get(isTheirs ? message.senderId : message.receiverId);
    if (!entry) return false;
    if (isGone) entry.changedAt = performance.now();
    if (entry.lastMessage?._id === message._id) entry.lastMessage = this.#stateOf(message, entry.lastMessage);
    if (!isGone || entry.unread === 0) return false;
    const live = entry.live.filter(({ _id }) => _id !== message._id);
    if (live.length === entry.live.length) return true;
    entry.live = live;
    if (entry.unread < unreadMost) entry.unread--;
    return entry.unread >= unreadMost;
  }

  /**
   * One has read it: here, or elsewhere. known: messages by id, as many as there are. True if only the
   * server knows how many are unread: of its number one cannot tell which live ones are in it.
   */
  read(id, upTo, unread = 0, known = []) {
    const entry = this.#open(id);
    const all = this.#knownOf(entry, known);
    if (entry.readUpTo && isBefore(upTo, entry.readUpTo, all)) return false; // told late
    entry.changedAt = performance.now();
    entry.readUpTo = laterMark(entry.readUpTo, upTo, all);
    entry.marked = all.get(entry.readUpTo);
    entry.live = entry.live.filter((message) => !isWithin(message, upTo, all));
    const upToMessage = all.get(upTo);
    const isWhole = upToMessage && !entry.isShort && (!entry.counted || byTime(entry.counted, upToMessage) <= 0); // what is beyond it came live
    entry.unread = Math.min(unreadMost, Math.max(isWhole ? 0 : unread, entry.live.length));
    return !isWhole;
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
