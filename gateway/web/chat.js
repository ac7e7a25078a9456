// What one sees who is logged in: the state of it all, what the server says, and what is asked
// of it. The core keeps the state, the views show it and call back.
import { Again } from './core/again.js';
import * as api from './core/api.js';
import { untilMidnight } from './core/days.js';
import { Drafts } from './core/drafts.js';
import { Inbox } from './core/inbox.js';
import { byTime, isWithin } from './core/order.js';
import { newKey, Outbox } from './core/outbox.js';
import { Pages } from './core/pages.js';
import { hashOf, idOf } from './core/route.js';
import { Socket } from './core/socket.js';
import { Thread } from './core/thread.js';
import { t } from './strings.js';
import { notify, playSound, showCount } from './views/attention.js';
import { ConversationView } from './views/conversation.js';
import { h, isPhone, say, show } from './views/dom.js';
import { settingsDialog } from './views/settings.js';
import { Sidebar } from './views/sidebar.js';

const moment = 2000; // so long a connection may be gone before that is said
const threadsMost = 20; // conversations whose messages are kept
const lookEvery = 1000; // at most so often the list of people is read again
const watchMost = 500;
const watchEvery = 250; // a server takes five sets a second
const historyMost = 200;
const latestTalks = 8;

const storage = (() => {
  try { localStorage.getItem('parley'); return localStorage; } catch { return null; }
})();

/** What is wrong with a request is wrong with the next one, too: only other failures are thrown. */
function isRefused(problem) {
  if (problem.status < 400 || problem.status >= 500 || problem.status === 429 || problem.status === 401) throw problem;
}

/** An error that says: not now, but by itself as soon as that is possible. */
const waiting = () => Object.assign(new Error(), { isWaiting: true });

export class Chat {
  constructor(user, { leave, changeTo, notice }) {
    Object.assign(this, { user, leave, changeTo });
    this.ending = new AbortController();
    this.inbox = new Inbox(user._id);
    this.drafts = new Drafts({ userId: user._id, storage });
    this.owner = newKey();
    this.outbox = new Outbox({
      userId: user._id, storage, owner: this.owner, post: (item) => this.#post(item),
      onSent: (item, message) => this.#sent(item, message), onChange: () => this.draw(),
    });
    this.again = new Again();
    this.threads = new Map(); // id -> Thread, the one used last at the end
    this.sentAs = new Map(); // id of a message -> the key of the row that it had on its way
    this.held = []; // messages of ours that may be the one on its way
    this.known = new Set(); // ids of conversations that the server has told of
    this.problems = new Map(); // id of a conversation -> what could not be read
    this.told = new Map(); // id -> what was told as read
    this.got = new Map(); // id -> what is to be told as delivered
    this.delivered = new Map(); // id -> what was
    this.prefs = { notify: false, sound: true, ...readPrefs(user._id) };
    this.openId = null;
    this.lineAt = null;
    this.query = '';
    this.found = [];
    this.isConnected = false;
    this.isVerified = true;
    this.socket = new Socket({ messageSent: true, presence: 'watch' });
    this.#makePages();
    this.#makeViews(notice);
    this.#listen();
  }

  #makePages() {
    this.talks = new Pages(api.conversations, (items) => { for (const item of items) this.#takeConversation(item); });
    this.everybody = new Pages(api.people, (items) => { for (const user of items) this.inbox.list(user); });
    this.searching = new Pages((next) => api.search(this.query, next), (items, isFirst) => {
      const ids = items.filter((user) => user._id !== this.user._id).map((user) => this.inbox.learn(user)._id);
      this.found = isFirst ? ids : [...this.found, ...ids];
    });
  }

  #makeViews(notice) {
    const { signal } = this.ending;
    this.sidebar = new Sidebar({
      user: this.user, signal, stateOf: (id) => this.#rowOf(id), on: {
        open: (id) => this.#pick(id), status: (status, note) => this.#setStatus(status, note), search: (text) => this.#search(text),
        move: () => this.#watchSoon(), end: () => this.#moreRows(), look: () => this.#look(),
        settings: () => this.#settings(), logOut: () => this.#logOut(),
      },
    });
    this.conversation = new ConversationView({
      user: this.user, drafts: this.drafts, on: {
        leave: () => this.#leaveConversation(), send: (text) => this.#send(text), draft: () => this.draw(),
        typing: () => this.socket.emit('typing', { to: this.openId, isTyping: true }),
        scroll: () => this.draw(), older: () => this.#older(), other: (id) => this.go(id),
        retry: (key) => this.#settle(key, 'retry'), delete: (key) => this.#settle(key, 'remove'),
      },
    });
    this.banner = h('p', { class: 'banner', role: 'status', hidden: true });
    this.notice = h('div', { class: 'notices', role: 'alert' });
    this.element = h('main', { class: 'chat' }, h('h1', { class: 'unseen' }, t.app), this.banner, this.notice, this.sidebar.element, this.conversation.element);
    if (notice) this.tell(notice);
  }

  #listen() {
    const { socket } = this;
    const { signal } = this.ending;
    socket.on('connect', () => this.#connected());
    socket.on('disconnect', () => this.#disconnected());
    socket.on('refused', () => this.#refused());
    socket.on('newMessage', (message) => this.#received(message));
    socket.on('messageSent', (message) => this.#sentElsewhere(message));
    for (const name of ['messageUpdated', 'messageDeleted']) socket.on(name, ({ message }) => this.#updated(message));
    socket.on('presence', (state) => { this.#presence([state]); this.draw(); });
    socket.on('userUpdated', ({ user }) => { this.inbox.learn(user); this.draw(); });
    socket.on('messagesRead', ({ userId, upTo }) => this.#theyTold(userId, 'theirReadUpTo', upTo));
    socket.on('messagesDelivered', ({ userId, upTo }) => this.#theyTold(userId, 'theirDeliveredUpTo', upTo));
    socket.on('conversationRead', ({ userId, upTo, unread }) => {
      this.inbox.read(userId, upTo, unread, this.threads.get(userId)?.byId);
      this.draw();
    });
    socket.on('typing', ({ from, isTyping, auto }) => {
      if (from === this.openId) { this.conversation.showTyping(isTyping, auto); this.draw(); }
    });
    addEventListener('hashchange', () => this.#show(idOf(location.hash)), { signal });
    addEventListener('popstate', () => this.#show(idOf(location.hash)), { signal });
    addEventListener('focus', () => this.#lookedAt(), { signal });
    addEventListener('blur', () => this.draw(), { signal });
    addEventListener('online', () => this.again.now(), { signal });
    addEventListener('pagehide', () => this.conversation.composer.keep(), { signal });
    addEventListener('storage', ({ key }) => { if (key === 'parley.session') this.#verify(); }, { signal });
    document.addEventListener('visibilitychange', () => (document.hidden ? this.conversation.composer.keep() : this.#lookedAt()), { signal });
  }

  start() {
    this.#adopt();
    this.#showFirst();
    this.draw();
    this.socket.open();
    this.#disconnected();
    this.#loadTalks();
    this.#nextDay();
  }

  /** What pages of before left unsent: of those that are gone, at once. */
  #adopt() {
    for (const owner of this.outbox.owners()) {
      if (!navigator.locks) this.outbox.adopt(owner);
      else navigator.locks.request(`parley-page-${owner}`, { signal: this.ending.signal }, () => this.outbox.adopt(owner)).catch(() => {});
    }
    navigator.locks?.request(`parley-page-${this.owner}`, () => new Promise((resolve) => {
      this.ending.signal.addEventListener('abort', resolve);
    })).catch(() => {});
  }

  #nextDay() {
    this.dayTimer = setTimeout(() => { this.draw(); this.#nextDay(); }, untilMidnight() + 50);
  }

  close() {
    this.isOver = true;
    this.conversation.close();
    this.sidebar.rows.close();
    this.ending.abort();
    this.again.close();
    this.socket.close();
    this.outbox.pause();
    this.dialog?.close();
    for (const timer of [this.dayTimer, this.bannerTimer, this.watchTimer, this.deliveredTimer, this.searchTimer, this.noticeTimer]) clearTimeout(timer);
    showCount(0);
  }

  // ---- the session ----

  /** Run a request; a session that has ended leads back to the form. */
  async #attempt(request) {
    try {
      return await request();
    } catch (problem) {
      if (problem.status === 401) this.#ended(problem, t.ended);
      throw problem;
    }
  }

  async #ended(problem, notice) {
    if (this.isOver) return;
    await endAmbiguous(problem);
    if (!this.isOver) this.leave(notice);
  }

  /** Still the same person? Nothing is sent before that is known. */
  #verify() {
    this.isVerified = false;
    this.outbox.pause();
    this.again.try('me', async () => {
      const user = await this.#attempt(() => api.me());
      if (this.isOver) return;
      if (user._id !== this.user._id) { this.changeTo(user); return; }
      this.#learnMe(user);
      this.isVerified = true;
      this.#resume();
    });
  }

  #learnMe(user) {
    Object.assign(this.user, { status: user.status, statusNote: user.statusNote, fullName: user.fullName });
    this.draw();
  }

  #resume() { if (this.isConnected && this.isVerified) this.outbox.resume(); }

  /** The socket's session is over. Whether ours is, too, /me knows; until it says so nothing is claimed. */
  #refused() {
    this.#disconnected();
    this.again.try('me', async () => {
      const user = await api.me().catch((problem) => (problem.status === 401 ? this.#ended(problem, t.loggedOut) : Promise.reject(problem)));
      if (this.isOver || !user) return;
      if (user._id !== this.user._id) this.changeTo(user);
      else this.again.after(1000, () => { if (!this.isOver) this.socket.open(); });
    });
  }

  async #logOut(request = api.logOut, notice) {
    try {
      await request();
    } catch (problem) {
      if (problem.status !== 401) { this.tell(t.logOutFailed(problem.message)); return problem; }
    }
    history.replaceState(null, '', hashOf(null));
    tellOtherTabs('');
    this.leave(notice);
    return undefined;
  }

  #settings() {
    this.dialog = settingsDialog({
      prefs: this.prefs, keep: () => keepPrefs(this.user._id, this.prefs), testSound: playSound,
      logOutEverywhere: () => this.#logOut(api.logOutEverywhere, t.loggedOutEverywhere),
    });
  }

  async #setStatus(status, note) {
    try {
      await this.#attempt(() => api.setStatus(this.user._id, status, note));
      Object.assign(this.user, { status, statusNote: note });
      this.draw();
      return true;
    } catch (problem) {
      this.tell(t.statusFailed(problem.message));
      return false;
    }
  }

  /** Say something that went wrong, or that one must know. */
  tell(text) {
    const line = h('p', { class: 'notice-line' }, text, h('button', { type: 'button', class: 'icon', 'aria-label': t.close, onclick: () => this.notice.replaceChildren() }, '×'));
    this.notice.replaceChildren(line);
    clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => this.notice.replaceChildren(), 20000);
  }

  // ---- the connection ----

  #connected() {
    this.isConnected = true;
    clearTimeout(this.bannerTimer);
    this.bannerTimer = undefined;
    show(this.banner, false);
    if (this.hasConnected) this.#verify();
    // Also after a recovery: that brings what others wrote, but not what one wrote elsewhere.
    for (const thread of this.threads.values()) thread.markStale();
    // Marks and messages of before are not told again.
    if (this.hasConnected) this.#loadTalks();
    else this.#loadLatestTalks();
    this.hasConnected = true;
    this.#catchUp();
    this.again.now();
    this.watched = null;
    this.#watchSoon();
    this.#tellDelivered();
    this.#resume();
    this.draw();
  }

  #disconnected() {
    if (this.isOver) return;
    this.isConnected = false;
    this.outbox.pause();
    this.bannerTimer ??= setTimeout(() => { say(this.banner, t.disconnected); show(this.banner, true); }, this.hasConnected ? moment : 2 * moment);
    this.draw();
  }

  /** Whose presence is on the screen. */
  #watchSoon() { this.watchTimer ??= setTimeout(() => { this.watchTimer = undefined; this.#watch(); }, watchEvery); }

  #watch() {
    const users = [...new Set([this.user._id, this.openId, ...this.sidebar.rows.visible])].filter(Boolean).slice(0, watchMost);
    const wanted = users.join();
    if (!this.isConnected || wanted === this.watched) return;
    this.watched = wanted;
    this.socket.ask('watch', { users }, (states) => {
      if (Array.isArray(states)) this.#presence(states);
      else this.watched = null; // refused, for it was too often: with the next change, or event
      this.draw();
    });
  }

  #presence(states) {
    for (const { userId, online, status, statusNote } of states) {
      if (userId === this.user._id) Object.assign(this.user, { status, statusNote });
      else if (this.inbox.people.has(userId)) this.inbox.learn({ _id: userId, online, status, statusNote });
    }
  }

  // ---- people and conversations ----

  #takeConversation(told) {
    this.inbox.take(told);
    this.known.add(told.user._id);
    const { lastMessage } = told;
    if (told.unread > 0 && lastMessage?.senderId === told.user._id) this.#deliver(told.user._id, lastMessage._id);
  }

  #load(name, pages, how = 'more') {
    return this.again.try(name, async () => {
      await this.#attempt(async () => {
        await pages[how]();
        if (pages.state === 'failed') throw pages.problem;
      }).finally(() => this.draw());
    });
  }

  #loadTalks() { return this.#load('talks', this.talks, 'restart'); }

  /** What came between the first load and the connection: a few, or else all is read again. */
  #loadLatestTalks() {
    this.again.try('talks', async () => {
      const items = this.talks.hasBegun ? await this.#attempt(() => api.latestConversations(latestTalks)) : [];
      const known = this.inbox.conversation(items.at(-1)?.user._id).lastMessage;
      const isEnough = this.talks.hasBegun && (items.length < latestTalks || (known && byTime(items.at(-1).lastMessage, known) <= 0));
      for (const item of items) this.#takeConversation(item);
      if (!isEnough) await this.talks.restart();
      this.draw();
      if (this.talks.state === 'failed') throw this.talks.problem;
    });
  }

  #moreRows() {
    if (this.query) {
      if (this.searching.state === 'more') this.#load('search', this.searching);
    } else if (this.talks.state === 'more') {
      this.#load('talks', this.talks);
    } else if (['done', 'failed'].includes(this.talks.state) && ['new', 'more'].includes(this.everybody.state)) {
      this.#load('people', this.everybody);
    }
  }

  /** Somebody looks at the list: is anybody new? */
  #look() {
    if (this.everybody.state !== 'done' || Date.now() - (this.lookedAtTime ?? 0) < lookEvery) return;
    this.lookedAtTime = Date.now();
    api.people().then(({ items }) => { for (const user of items) this.inbox.list(user); this.draw(); }, () => {});
  }

  #search(text) {
    this.query = text.trim();
    this.found = [];
    this.searching.drop();
    this.sidebar.rows.toTop();
    clearTimeout(this.searchTimer);
    this.again.stop('search');
    if (this.query) this.searchTimer = setTimeout(() => this.#load('search', this.searching, 'restart'), 200);
    this.draw();
  }

  async #fetchConversation(id) {
    await this.again.try(`with ${id}`, async () => {
      try {
        this.#takeConversation(await this.#attempt(() => api.conversation(id)));
        this.problems.delete(`person ${id}`);
      } catch (problem) {
        this.problems.set(`person ${id}`, problem);
        if (problem.status !== 404 && problem.status !== 400) throw problem;
      } finally {
        this.#drawLine(id);
        this.draw();
      }
    });
  }

  // ---- where one is ----

  /** Open a conversation, or none: a step in the browser's history. */
  go(id) {
    if (id === this.openId) { this.conversation.composer.focus(); return; }
    const isFromList = !this.openId;
    // On a phone Back leads to the list, whatever conversations were open one after the other.
    if (isPhone.matches && !isFromList) history.replaceState(history.state, '', hashOf(id));
    else history.pushState({ isFromList }, '', hashOf(id));
    this.#show(id);
  }

  /** Somebody of the list: who was searched for is found, and the list is everybody's again. */
  #pick(id) {
    this.go(id);
    if (this.query) {
      this.sidebar.search.value = '';
      this.#search('');
    }
  }

  #showFirst() {
    const id = idOf(location.hash);
    if (id && isPhone.matches && !history.state) {
      history.replaceState({}, '', hashOf(null));
      history.pushState({ isFromList: true }, '', hashOf(id));
    }
    this.#show(id);
  }

  #leaveConversation() {
    const id = this.openId;
    if (history.state?.isFromList) {
      history.back();
      addEventListener('popstate', () => this.sidebar.rows.focus(id) || this.sidebar.search.focus(), { once: true, signal: this.ending.signal });
    } else {
      history.pushState({}, '', hashOf(null));
      this.#show(null);
      if (!this.sidebar.rows.focus(id)) this.sidebar.search.focus();
    }
  }

  #show(id) {
    if (id === this.user._id) id = null;
    if (id === this.openId) return;
    this.openId = id;
    this.lineAt = null;
    this.isLineDrawn = false;
    this.element.classList.toggle('is-open', Boolean(id));
    this.conversation.begin(id);
    if (id) this.#begin(id);
    this.#watchSoon();
    this.draw();
  }

  #begin(id) {
    if (!this.known.has(id)) this.#fetchConversation(id);
    this.#threadOf(id);
    this.#catchUp();
    this.#drawLine(id);
    this.conversation.composer.focus();
  }

  #threadOf(id) {
    const thread = this.threads.get(id) ?? new Thread();
    this.threads.delete(id);
    this.threads.set(id, thread);
    for (const old of [...this.threads.keys()].slice(0, -threadsMost)) this.threads.delete(old);
    return thread;
  }

  /** Read what is missing of the open conversation. */
  #catchUp() {
    const id = this.openId;
    const thread = this.threads.get(id);
    if (!id || !thread?.isStale) return;
    const size = Math.min(historyMost, Math.max(Thread.pageSize, this.inbox.conversation(id).unread + 20));
    this.again.try(`history ${id}`, async () => {
      try {
        await this.#attempt(() => thread.load((limit, before) => api.history(id, limit, before), size));
        this.problems.delete(id);
        this.#settled(id, thread);
      } catch (problem) {
        this.problems.set(id, { text: t.historyFailed, retry: () => { this.problems.delete(id); this.#catchUp(); this.draw(); } });
        this.draw();
        if (problem.status !== 404 && problem.status !== 400) throw problem;
      }
    });
  }

  #settled(id, thread) {
    if (thread.last && this.known.has(id)) this.inbox.add(thread.last);
    this.#drawLine(id);
    this.draw();
  }

  #older() {
    const id = this.openId;
    const thread = this.threads.get(id);
    if (!thread?.isLoaded || thread.isStale || !thread.hasOlder || thread.isReading || this.problems.get(id)?.isOlder) return;
    const run = async () => {
      thread.isReading = true;
      try {
        await this.#attempt(() => thread.loadOlder((limit, before) => api.history(id, limit, before)));
        if (this.problems.get(id)?.isOlder) this.problems.delete(id);
      } catch (problem) {
        this.problems.set(id, { text: t.olderFailed, isOlder: true, retry: () => this.again.try(`older ${id}`, run) });
        throw problem;
      } finally {
        thread.isReading = false;
        this.draw();
      }
    };
    this.again.try(`older ${id}`, run);
  }

  // ---- messages ----

  #send(text) {
    this.lineAt = null;
    this.conversation.log.isPinned = true;
    this.outbox.add(this.openId, text);
  }

  /** Try again what was not sent, or forget it. */
  #settle(key, how) {
    this.outbox[how](key);
    this.conversation.composer.text.focus();
  }

  async #post(item) {
    const connection = this.socket.id;
    try {
      return await this.#attempt(() => api.send(item.to, item.text, item.key, this.socket.id));
    } catch (problem) {
      if (problem.status === 401) throw waiting();
      // A connection that has just broken may be noticed here before it is there.
      if (problem.status === 0) await new Promise((resolve) => { setTimeout(resolve, 300); });
      this.#releaseHeld();
      if (problem.status !== 0 || this.socket.id === connection) throw problem;
      setTimeout(() => this.#resume()); // it may be back already
      throw waiting();
    }
  }

  #sent(item, message) {
    this.sentAs.set(message._id, item.key);
    if (message.senderId === this.user._id) this.#addOwn(message);
    this.#releaseHeld();
  }

  #addOwn(message) {
    this.threads.get(message.receiverId)?.add(message);
    this.inbox.add(message);
    if (!this.inbox.people.has(message.receiverId)) this.#fetchConversation(message.receiverId);
  }

  /** From another tab or device; or this one's own, if its answer is late: then that decides. */
  #sentElsewhere(message) {
    const isPerhapsOurs = this.outbox.of(message.receiverId).some((item) => item.state === 'sending' && item.text === message.message);
    if (isPerhapsOurs) this.held.push(message);
    else this.#addOwn(message);
    this.draw();
  }

  #releaseHeld() {
    for (const message of this.held.splice(0)) this.#addOwn(message);
  }

  #received(message) {
    const id = message.senderId;
    this.threads.get(id)?.add(message);
    const isNew = this.inbox.add(message);
    if (!this.inbox.people.has(id)) this.#fetchConversation(id).then(() => this.#call(message, isNew));
    else this.#call(message, isNew);
    this.#deliver(id, message._id);
    if (id === this.openId) this.conversation.showTyping(false);
    this.draw();
  }

  #updated(message) {
    const id = message.senderId === this.user._id ? message.receiverId : message.senderId;
    this.threads.get(id)?.update(message);
    this.inbox.update(message);
    this.draw();
  }

  /** Is the open conversation looked at, at its end? */
  get isSeen() { return this.isWatched && this.conversation.log.isPinned && !(isPhone.matches && !this.openId); }

  get isWatched() { return !document.hidden && document.visibilityState === 'visible' && document.hasFocus(); }

  #lookedAt() {
    this.#verify();
    this.#look();
    this.draw();
  }

  /** Call for attention, if nobody looks. */
  #call(message, isNew) {
    if (!isNew || this.isOver) return;
    const person = this.inbox.people.get(message.senderId);
    if (!person) return;
    if (this.isWatched) note(message._id);
    // Another tab may be looked at.
    else setTimeout(() => { if (!this.isOver && !isNoted(message._id)) this.#alert(person, message); }, 300);
    if (this.isWatched && isPhone.matches && this.openId && message.senderId !== this.openId) {
      this.conversation.showOther(person, message.message.slice(0, 120));
    }
  }

  #alert(person, message) {
    if (this.prefs.sound) playSound();
    if (this.prefs.notify) notify({ title: person.fullName, body: message.message.slice(0, 200), tag: person._id, onOpen: () => this.go(person._id) });
  }

  // ---- marks ----

  #theyTold(userId, field, upTo) {
    const known = this.threads.get(userId)?.byId;
    this.inbox.told(userId, field, upTo, known);
    if (field === 'theirReadUpTo') this.inbox.told(userId, 'theirDeliveredUpTo', upTo, known);
    this.draw();
  }

  /** Tell that a message is here; what comes together is told together. */
  #deliver(id, upTo) {
    if (this.delivered.get(id) === upTo) return;
    this.got.set(id, upTo);
    this.deliveredTimer ??= setTimeout(() => this.#tellDelivered(), 100);
  }

  #tellDelivered() {
    clearTimeout(this.deliveredTimer);
    this.deliveredTimer = undefined;
    if (!this.isConnected) return;
    for (const [from, upTo] of this.got) {
      this.socket.emit('delivered', { from, upTo });
      this.delivered.set(from, upTo);
    }
    this.got.clear();
  }

  /** Where "new" begins: fixed once, as soon as history and mark are both here. */
  #drawLine(id) {
    const thread = this.threads.get(id);
    if (id !== this.openId || this.isLineDrawn || !thread?.isLoaded || !this.known.has(id)) return;
    this.isLineDrawn = true;
    const { unread, readUpTo } = this.inbox.conversation(id);
    if (unread === 0) return;
    this.lineAt = this.#firstUnread(id, thread, readUpTo);
    if (this.lineAt) this.conversation.log.startAt('line');
  }

  #firstUnread(id, thread, readUpTo) {
    return thread.messages.find((message) => message.senderId === id && !isWithin(message, readUpTo, thread.byId))?._id ?? null;
  }

  /** What comes while nobody looks is new, too; a line above what was read meanwhile goes there. */
  #moveLine(id, thread) {
    const { unread, readUpTo } = this.inbox.conversation(id);
    if (!this.isLineDrawn || this.isSeen || unread === 0) return;
    const old = thread.byId.get(this.lineAt);
    if (!old || isWithin(old, readUpTo, thread.byId)) this.lineAt = this.#firstUnread(id, thread, readUpTo);
  }

  #tellRead() {
    const id = this.openId;
    const thread = this.threads.get(id);
    if (!thread?.isLoaded || !this.isLineDrawn || !this.isSeen) return;
    const last = thread.messages.findLast((message) => message.senderId === id);
    if (!last || this.told.get(id) === last._id) return;
    const entry = this.inbox.conversation(id);
    if (entry.unread === 0 && isWithin(last, entry.readUpTo, thread.byId)) return;
    this.told.set(id, last._id);
    this.inbox.read(id, last._id, 0, thread.byId);
    this.again.try(`read ${id}`, async () => {
      const answer = await this.#attempt(() => api.markRead(id, last._id)).catch(isRefused);
      if (!answer) return;
      this.inbox.read(id, answer.upTo, answer.unread, thread.byId);
      this.draw();
    });
  }

  // ---- drawing ----

  /** Soon, once for all that changes now; also while the tab is hidden. */
  draw() {
    if (this.isToBeDrawn) return;
    this.isToBeDrawn = true;
    queueMicrotask(() => {
      this.isToBeDrawn = false;
      if (!this.isOver) this.#draw();
    });
  }

  #draw() {
    this.#drawConversation();
    this.#tellRead();
    this.#drawSidebar();
    showCount(this.inbox.unread);
  }

  #drawConversation() {
    const id = this.openId;
    if (!id) return;
    const thread = this.threads.get(id);
    this.#moveLine(id, thread);
    const lost = this.problems.get(`person ${id}`);
    const problem = lost && !this.inbox.people.has(id)
      ? { text: lost.status === 404 || lost.status === 400 ? t.noPerson : t.personFailed, retry: () => this.#fetchConversation(id) }
      : this.problems.get(id);
    this.conversation.draw({
      person: this.inbox.people.get(id), thread, outgoing: this.outbox.of(id), entry: this.inbox.conversation(id), lineAt: this.lineAt, problem,
      keyOf: (message) => this.sentAs.get(message._id) ?? message._id, stateOf: (message) => this.inbox.stateOf(message, id, thread.byId),
    });
  }

  #drawSidebar() {
    const at = (id) => this.outbox.of(id).at(-1)?.at ?? 0;
    const withPeople = ['done', 'failed'].includes(this.talks.state) || this.everybody.hasBegun;
    const keys = this.inbox.rows({ query: this.query, found: this.found, at, withPeople });
    this.sidebar.draw({ keys, empty: this.#emptyText(keys), problem: this.#listProblem() });
  }

  #emptyText(keys) {
    if (keys.length > 0) return '';
    if (this.query) return this.searching.isLoading ? t.loading : this.searching.state === 'failed' ? '' : t.noneFound;
    if (this.talks.state === 'failed' || this.everybody.state === 'failed') return '';
    return this.everybody.isDone ? t.nobody : t.loading;
  }

  #listProblem() {
    if (this.query) {
      return this.searching.state === 'failed' ? { text: t.searchFailed, retry: () => this.#load('search', this.searching) } : null;
    }
    if (this.talks.state === 'failed') return { text: t.conversationsFailed, retry: () => this.#load('talks', this.talks) };
    if (this.everybody.state === 'failed') return { text: t.peopleFailed, retry: () => this.#load('people', this.everybody) };
    return null;
  }

  #rowOf(id) {
    return {
      person: this.inbox.people.get(id), conversation: this.inbox.conversation(id), outgoing: this.outbox.of(id).at(-1),
      draft: this.drafts.of(id), isOpen: id === this.openId,
    };
  }
}

/** Cookies of two people's sessions: a log-in alone would leave the other's beside the new one. */
export async function endAmbiguous(problem) {
  if (problem.code === 'AMBIGUOUS_SESSION') await api.logOut().catch(() => {});
}

/** Other tabs look who is logged in, at once. */
export function tellOtherTabs(userId) {
  try { storage?.setItem('parley.session', `${userId} ${Date.now()}`); } catch { /* full: they look when they are looked at */ }
}

/** The message that a tab which is looked at got last. */
function note(id) {
  try { storage?.setItem('parley.looked', id); } catch { /* full */ }
}

const isNoted = (id) => storage?.getItem('parley.looked') === id;

function readPrefs(userId) {
  try { return JSON.parse(storage?.getItem(`parley.prefs.${userId}`) ?? '{}'); } catch { return {}; }
}

function keepPrefs(userId, prefs) {
  try { storage?.setItem(`parley.prefs.${userId}`, JSON.stringify(prefs)); } catch { /* full */ }
}
