// What one sees who is logged in: the state of it all, and what the server says. The core keeps
// the state, the views show it and call back; session, presence, marks, lists and words each do
// their part with it.
import { Blocks } from './blocks.js';
import { Again } from './core/again.js';
import * as api from './core/api.js';
import { untilMidnight } from './core/days.js';
import { Drafts } from './core/drafts.js';
import { Inbox } from './core/inbox.js';
import { newKey } from './core/outbox.js';
import { hashOf, idOf } from './core/route.js';
import { Socket } from './core/socket.js';
import { States } from './core/states.js';
import { Thread } from './core/thread.js';
import { Lists } from './lists.js';
import { Marks } from './marks.js';
import { Presence } from './presence.js';
import { Session } from './session.js';
import { isNoted, keepPrefs, note, readPrefs, storage } from './storage.js';
import { t } from './strings.js';
import { showCount } from './views/attention.js';
import { ConversationView } from './views/conversation.js';
import { h, isPhone, isTouch, say, show } from './views/dom.js';
import { Sidebar } from './views/sidebar.js';
import { Words } from './words.js';

const moment = 2000; // so long a connection may be gone before that is said
const threadsMost = 20; // conversations whose messages are kept
const historyMost = 200;
const oneLook = 250; // ms, in which a tab and its window may both tell of it
const callAfter = 1000; // ms, in which another tab says that it is looked at

export class Chat {
  constructor(user, { leave, changeTo, notice }) {
    Object.assign(this, { user, leave, changeTo });
    this.ending = new AbortController();
    this.states = new States();
    this.inbox = new Inbox(user._id, this.states);
    this.drafts = new Drafts({ userId: user._id, storage });
    this.owner = newKey();
    this.again = new Again();
    this.threads = new Map(); // id -> Thread, the one used last at the end
    this.known = new Set(); // ids of conversations that the server has told of
    this.problems = new Map(); // id of a conversation -> what could not be read
    this.prefs = { notify: false, sound: true };
    this.openId = null;
    this.editMs = Infinity; // until the server says it, which refuses what is too late
    this.aheadMs = 0; // of us: the clock of the server
    this.isConnected = false;
    this.verifiedAt = -Infinity; // when somebody came back to the page
    this.backAt = 0; // when the connection came back
    this.settingStatus = Promise.resolve();
    this.socket = new Socket({ messageSent: true, presence: 'watch' });
    this.session = new Session(this);
    this.presence = new Presence(this);
    this.marks = new Marks(this);
    this.words = new Words(this, this.owner);
    this.outbox = this.words.outbox;
    this.lists = new Lists(this);
    this.blocks = new Blocks(this);
    this.#makeViews(notice);
    this.#listen();
  }

  #makeViews(notice) {
    const { signal } = this.ending;
    this.sidebar = new Sidebar({
      user: this.user, signal, stateOf: (id) => this.#rowOf(id), on: {
        open: (id) => this.#pick(id), status: (status, note) => this.#setStatus(status, note), search: (text) => this.lists.search(text),
        move: () => this.presence.soon(), end: () => this.lists.more(), look: () => this.lists.look(),
        settings: () => this.#dialog('settings'), profile: () => this.#dialog('account'), logOut: () => this.session.logOut(),
      },
    });
    this.conversation = new ConversationView({
      user: this.user, drafts: this.drafts, on: {
        leave: () => this.#leaveConversation(), send: (text) => this.#send(text), draft: () => this.draw(),
        typing: () => this.socket.emit('typing', { to: this.openId, isTyping: true }),
        scroll: () => this.draw(), older: () => this.older(), other: (id) => this.go(id),
        retry: (key) => this.#settle(key, 'retry'), forget: (key) => this.#settle(key, 'remove'),
        edit: (target, to, text) => this.words.edit(target, to, text), delete: (target, to) => this.words.delete(target, to),
        block: (person, isBlocked) => this.#block(person, isBlocked),
        isLate: (at) => this.editMs === 0 || Date.now() + this.aheadMs - Date.parse(at) >= this.editMs,
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
    socket.on('refused', () => { this.#disconnected(); this.session.refused(); });
    socket.on('newMessage', (message) => this.#received(message));
    socket.on('messageSent', (message) => this.words.sentElsewhere(message));
    for (const name of ['messageUpdated', 'messageDeleted']) socket.on(name, ({ message }) => this.updated(message));
    socket.on('presence', (state) => { this.presence.take([state]); this.draw(); });
    socket.on('userDeleted', ({ userId }) => this.#erased(userId));
    socket.on('userUpdated', (told) => this.learn(told.user ?? told));
    socket.on('messagesRead', ({ userId, upTo }) => this.marks.theyTold(userId, 'theirReadUpTo', upTo));
    socket.on('messagesDelivered', ({ userId, upTo }) => this.marks.theyTold(userId, 'theirDeliveredUpTo', upTo));
    socket.on('conversationRead', ({ userId, upTo, unread }) => this.read(userId, upTo, unread));
    socket.on('typing', ({ from, isTyping, auto }) => {
      if (from === this.openId) { this.conversation.showTyping(isTyping, auto); this.draw(); }
    });
    addEventListener('hashchange', () => this.#show(idOf(location.hash)), { signal });
    addEventListener('popstate', () => this.#show(idOf(location.hash)), { signal });
    addEventListener('focus', () => this.#lookedAt(), { signal });
    addEventListener('blur', () => this.draw(), { signal });
    addEventListener('online', () => this.again.now(), { signal });
    addEventListener('pagehide', () => this.conversation.composer.keep(), { signal });
    addEventListener('storage', ({ key }) => { if (key === 'parley.session') this.session.verify(); }, { signal });
    // A file that misses is not to be opened in place of the page.
    for (const name of ['dragover', 'drop']) addEventListener(name, (event) => { if (event.dataTransfer?.types.includes('Files')) { event.preventDefault(); event.dataTransfer.dropEffect = 'none'; } }, { signal });
    document.addEventListener('visibilitychange', () => (document.hidden ? this.conversation.composer.keep() : this.#lookedAt()), { signal });
  }

  start() {
    this.#adopt();
    this.#showFirst();
    this.draw();
    this.socket.open();
    this.#disconnected();
    this.lists.loadTalks();
    this.again.try('settings', () => this.loadSettings());
    this.#nextDay();
  }

  /** After a log-in: to where one goes on. */
  focus() { if (!this.openId && !isTouch.matches) this.sidebar.search.focus(); }

  /** What pages of before left unsent: of those that are gone, at once. */
  #adopt() {
    const { queues } = this.words;
    const adopt = (owner) => {
      for (const queue of queues) queue.adopt(owner);
      // Who was never written to before is in no list yet.
      for (const to of new Set(this.outbox.all.map((item) => item.to))) if (!this.inbox.people.has(to)) this.fetchConversation(to);
    };
    for (const owner of new Set(queues.flatMap((queue) => queue.owners()))) {
      if (!navigator.locks) adopt(owner);
      else navigator.locks.request(`parley-page-${owner}`, { signal: this.ending.signal }, () => adopt(owner)).catch(() => {});
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
    this.words.pause();
    for (const dialog of document.querySelectorAll('dialog')) dialog.close();
    for (const part of [this.presence, this.marks, this.lists]) part.close();
    for (const timer of [this.dayTimer, this.bannerTimer, this.noticeTimer]) clearTimeout(timer);
    showCount(0);
  }

  async loadSettings() {
    const { gender, ...times } = await this.session.attempt(() => api.settings());
    this.user.gender = gender;
    Object.assign(this, times);
  }

  resume() { if (this.isConnected && this.session.isVerified && !this.isOver) this.words.resume(); }

  /** Dialogs that few open are loaded when somebody does. */
  async #dialog(name) {
    try {
      const { open } = await import(`./views/${name}.js`);
      if (this.isOver) return;
      if (!document.querySelector('dialog')) open(this);
    } catch {
      this.tell(t.unreachable);
    }
  }

  /** As another tab may have changed them. */
  readPrefs() { return Object.assign(this.prefs, readPrefs(this.user._id)); }

  keepPrefs() { keepPrefs(this.user._id, this.prefs); }

  /** What is new of somebody, perhaps of oneself. */
  learn(user) {
    if (user._id === this.user._id) Object.assign(this.user, this.inbox.newsOf(user));
    else this.inbox.learn(user);
    this.draw();
  }

  async #block(person, isBlocked) {
    await this.blocks.set(person, isBlocked).catch((problem) => this.tell(t.blockFailed(problem.message)));
  }

  /** One after the other, so that what was meant last holds. */
  #setStatus(status, note) { return this.settingStatus = this.settingStatus.then(() => this.#tellStatus(status, note)); }

  async #tellStatus(status, note) {
    const { _id } = this.user;
    try {
      await this.session.attempt(() => api.setStatus(_id, status, note));
      this.learn({ _id, status, statusNote: note });
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
    if (this.hasConnected) this.session.verify();
    // Also after a recovery: that brings what others wrote, but not what one wrote elsewhere.
    for (const thread of this.threads.values()) thread.markStale();
    if (this.hasConnected) this.#wasAway();
    // Marks and messages of before are not told again.
    if (this.hasConnected) this.lists.loadTalks();
    else this.lists.loadLatestTalks();
    this.hasConnected = true;
    if (this.blocks.hasBegun) this.blocks.load();
    this.#catchUp();
    this.again.now();
    this.presence.restart();
    this.marks.tellDelivered();
    this.resume();
    this.draw();
  }

  #disconnected() {
    if (this.isOver) return;
    this.isConnected = false;
    this.words.pause();
    this.bannerTimer ??= setTimeout(() => this.#away(), this.hasConnected ? moment : 2 * moment);
    this.draw();
  }

  /** What was missed of the open conversation is not read before it is known what that is. */
  #wasAway() {
    const id = this.openId;
    this.backAt = performance.now();
    this.known.clear();
    this.marks.wasAway();
    if (id) this.fetchConversation(id);
  }

  /** It has been gone for longer than a moment. */
  #away() {
    say(this.banner, t.disconnected);
    show(this.banner, true);
    this.inbox.forgetOnline();
    this.draw();
  }

  // ---- people and conversations ----

  /** The server says how far one has read. */
  read(id, upTo, unread) {
    if (this.inbox.read(id, upTo, unread, this.threads.get(id)?.byId)) this.fetchConversation(id);
    this.draw();
  }

  takeConversation(told) {
    const { user: { _id: id }, unread, lastMessage, askedAt } = told;
    if (this.inbox.take(told, this.threads.get(id)?.byId)) this.fetchConversation(id); // it may count what is read, or gone
    if (askedAt >= this.backAt) this.known.add(id);
    if (unread > 0 && lastMessage?.senderId === id) this.marks.deliver(id, lastMessage);
  }

  async fetchConversation(id) {
    await this.again.try(`with ${id}`, async () => {
      try {
        this.takeConversation(await this.session.attempt(() => api.conversation(id)));
        this.problems.delete(`person ${id}`);
      } catch (problem) {
        this.problems.set(`person ${id}`, problem);
        if (problem.status !== 404 && problem.status !== 400) throw problem;
      } finally {
        this.marks.drawLine(id);
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
    if (this.lists.query) {
      this.sidebar.search.value = '';
      this.lists.search('');
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
    this.marks.begin();
    this.element.classList.toggle('is-open', Boolean(id));
    this.conversation.begin(id);
    if (id) this.#begin(id);
    this.presence.soon();
    this.draw();
  }

  #begin(id) {
    if (!this.known.has(id)) this.fetchConversation(id);
    if (!this.blocks.hasBegun) this.blocks.load();
    this.#threadOf(id);
    this.#catchUp();
    this.marks.drawLine(id);
    this.conversation.composer.focus();
  }

  #threadOf(id) {
    const thread = this.threads.get(id) ?? new Thread(this.states);
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
        await this.session.attempt(() => thread.load((limit, before) => api.history(id, limit, before), size));
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
    this.marks.drawLine(id);
    this.draw();
  }

  /** Read what was before. False if that cannot be now. */
  older() {
    const id = this.openId;
    const thread = this.threads.get(id);
    if (!thread?.isLoaded || thread.isStale || !thread.hasOlder || thread.isReading || this.problems.get(id)?.isOlder) return false;
    const run = async () => {
      thread.isReading = true;
      try {
        await this.session.attempt(() => thread.loadOlder((limit, before) => api.history(id, limit, before)));
        if (this.problems.get(id)?.isOlder) this.problems.delete(id);
      } catch (problem) {
        this.problems.set(id, { text: t.olderFailed, isOlder: true, retry: () => this.again.try(`older ${id}`, run) });
        throw problem;
      } finally {
        thread.isReading = false;
        this.marks.drawLine(id);
        this.draw();
      }
    };
    this.again.try(`older ${id}`, run);
    return true;
  }

  // ---- messages ----

  #send(text) {
    this.marks.lineAt = null;
    this.conversation.log.isPinned = true;
    this.outbox.add(this.openId, text);
  }

  /** Try again what was not sent or changed, or forget it. */
  #settle(key, how) {
    this.words.settle(key, how);
    this.conversation.composer.text.focus();
  }

  #received(message) {
    const id = message.senderId;
    this.threads.get(id)?.add(message);
    const isNew = this.inbox.add(message);
    if (!this.inbox.people.has(id)) this.fetchConversation(id).then(() => this.#call(message, isNew));
    else this.#call(message, isNew);
    this.marks.deliver(id, message);
    if (id === this.openId) this.conversation.showTyping(false);
    this.draw();
  }

  /** A message was edited, or deleted: here, or by the other, or on another device. */
  updated(message) {
    const id = message.senderId === this.user._id ? message.receiverId : message.senderId;
    if (this.inbox.update(message)) this.fetchConversation(id); // for the number of unread ones
    this.threads.get(id)?.update(message);
    if (message.deletedAt) this.conversation.deleted(message._id, this.words.keyOf(message));
    this.draw();
  }

  /** Somebody is gone, and all that they wrote: as if it were loaded now. */
  #erased(id) {
    this.inbox.forget(id);
    this.lists.forget(id);
    this.known.delete(id);
    this.problems.set(`person ${id}`, { status: 404 });
    const thread = this.threads.get(id);
    if (id === this.openId) thread?.deleteOf(id, new Date().toISOString());
    else this.threads.delete(id);
    this.draw();
  }

  /** Is the open conversation looked at, at its end? */
  get isSeen() { return this.isWatched && this.conversation.log.isPinned && !(isPhone.matches && !this.openId); }

  get isWatched() { return !document.hidden && document.visibilityState === 'visible' && document.hasFocus(); }

  #lookedAt() {
    this.socket.wake();
    this.lists.look();
    if (performance.now() - this.verifiedAt > oneLook) {
      this.verifiedAt = performance.now();
      this.session.verify();
    }
    this.draw();
  }

  /** Call for attention, if nobody looks. */
  #call(message, isNew) {
    if (!isNew || this.isOver) return;
    const person = this.inbox.people.get(message.senderId);
    if (!person) return;
    if (this.isWatched) note(message._id);
    // Another tab may be looked at, and of several that are not one alone calls.
    else setTimeout(() => {
      const call = (lock) => (lock === null ? undefined : this.#alert(person, message).catch(() => {}));
      if (navigator.locks) navigator.locks.request(`parley-call-${message._id}`, { ifAvailable: true }, call);
      else call();
    }, callAfter);
    if (this.isWatched && isPhone.matches && this.openId && message.senderId !== this.openId) {
      this.conversation.showOther(person, message.message.slice(0, 120));
    }
  }

  async #alert(person, message) {
    if (this.isOver || isNoted(message._id)) return;
    note(message._id);
    const { notify: isNotified, sound } = this.readPrefs();
    const { notify, playSound } = await import('./views/alert.js');
    if (sound) playSound();
    if (isNotified) notify({ title: person.fullName, body: message.message.slice(0, 200), tag: person._id, onOpen: () => this.go(person._id) });
    await new Promise((resolve) => { setTimeout(resolve, 2000); }); // until other tabs know
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
    for (const [id, thread] of this.threads) if (id !== this.openId) thread.trim();
    this.#drawConversation();
    this.marks.tellRead();
    this.sidebar.draw(this.lists.shown);
    showCount(this.inbox.unread);
  }

  #drawConversation() {
    const id = this.openId;
    if (!id) return;
    const thread = this.threads.get(id);
    this.marks.moveLine(id, thread);
    const lost = this.problems.get(`person ${id}`);
    const isNobody = lost?.status === 404 || lost?.status === 400;
    const problem = lost && !this.inbox.people.has(id)
      ? { text: isNobody ? t.noPerson : t.personFailed, isNobody, retry: () => this.fetchConversation(id) }
      : this.problems.get(id);
    this.conversation.draw({
      person: this.inbox.people.get(id), thread, outgoing: this.words.outgoingTo(id), isBlocked: this.blocks.has(id), entry: this.inbox.conversation(id), lineAt: this.marks.lineAt, problem,
      keyOf: (message) => this.words.keyOf(message), changeOf: (target) => this.words.changes.of(target), stateOf: (message) => this.inbox.stateOf(message, id, thread.byId),
    });
  }

  #rowOf(id) {
    return {
      person: this.inbox.people.get(id), isNamesake: this.inbox.isNamesake(this.inbox.people.get(id)), conversation: this.inbox.conversation(id), outgoing: this.outbox.of(id).at(-1),
      draft: this.drafts.of(id), isOpen: id === this.openId,
    };
  }
}

