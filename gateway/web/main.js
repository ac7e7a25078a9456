// Parley's page: signed out it shows one form; signed in, people on the left and a conversation
// on the right. State lives here; the views draw it and call back.
import * as api from './api.js';
import { Conversation } from './conversation.js';
import { h } from './dom.js';
import { People } from './people.js';
import { signInView } from './sign_in.js';
import { Socket } from './socket.js';

const app = document.getElementById('app');
const refreshEvery = 60000; // people who sign up meanwhile

function showSignIn(notice) {
  document.title = 'Parley';
  app.replaceChildren(signInView({ notice, onDone: (user) => showChat(user) }));
  app.querySelector('input')?.focus();
}

class Chat {
  constructor(user) {
    this.user = user;
    this.people = new Map(); // id -> user, with unread
    this.online = new Set();
    this.openId = null;
    this.socket = new Socket();
    this.list = new People(user, {
      onOpen: (id) => this.open(id),
      onStatus: (status, note) => this.setStatus(status, note),
      onLogOut: () => this.logOut(),
    });
    this.conversation = new Conversation(user, {
      onSend: (...args) => this.send(...args),
      onTyping: (isTyping) => this.socket.emit('typing', { to: this.openId, isTyping }),
      onBack: () => this.open(null),
      loadOlder: (before) => api.history(this.openId, Conversation.pageSize, before),
    });
    this.banner = h('p', { class: 'banner', role: 'status', hidden: true });
    this.element = h('div', { class: 'chat' }, this.banner, this.list.element, this.conversation.element);
    this.listen();
  }

  listen() {
    const { socket } = this;
    socket.on('connect', (recovered) => { this.banner.hidden = true; if (!recovered) this.catchUp(); });
    socket.on('disconnect', () => this.warn('Connection lost. Reconnecting…'));
    socket.on('refused', async (refusal) => {
      await endAmbiguous(refusal?.data ?? {});
      this.leave('You have been logged out. Please log in again.');
    });
    socket.on('getOnlineUsers', (ids) => {
      this.online = new Set(ids);
      if (ids.some((id) => id !== this.user._id && !this.people.has(id))) this.loadPeople();
      this.draw();
    });
    socket.on('statusChanged', ({ userId, status }) => {
      if (userId === this.user._id) this.user.status = status;
      else if (this.people.has(userId)) this.people.get(userId).status = status;
      this.draw();
    });
    socket.on('newMessage', (message) => this.received(message.senderId, message));
    socket.on('messageSent', (message) => this.received(message.receiverId, message));
    socket.on('typing', ({ from, isTyping, auto }) => {
      if (from === this.openId) this.conversation.showTyping(isTyping, auto);
    });
  }

  async start() {
    this.draw();
    this.socket.open();
    this.refresh = setInterval(() => this.loadPeople(), refreshEvery);
    await this.loadPeople();
  }

  /** Run a request; a session that has ended leads back to the form. */
  async attempt(request) {
    try {
      return await request();
    } catch (problem) {
      if (problem.status !== 401) throw problem;
      await endAmbiguous(problem);
      this.leave('Your session has ended. Please log in again.');
      return undefined;
    }
  }

  warn(text) {
    this.banner.textContent = text;
    this.banner.hidden = false;
  }

  async loadPeople() {
    try {
      const users = await this.attempt(() => api.users());
      for (const user of users ?? []) {
        this.people.set(user._id, { unread: 0, ...this.people.get(user._id), ...user });
      }
      this.draw();
    } catch (problem) {
      this.warn(problem.message);
    }
  }

  draw() {
    const unread = [...this.people.values()].reduce((sum, person) => sum + person.unread, 0);
    document.title = unread > 0 ? `(${unread}) Parley` : 'Parley';
    this.list.draw([...this.people.values()], this.online, this.openId, this.user);
    const person = this.people.get(this.openId);
    if (person) this.conversation.drawHead(person, this.online.has(person._id));
  }

  async open(id) {
    this.openId = id;
    this.element.classList.toggle('is-open', Boolean(id));
    const person = this.people.get(id);
    if (!person) {
      this.conversation.clear();
      this.draw();
      return;
    }
    person.unread = 0;
    this.conversation.begin(person);
    this.draw();
    await this.catchUp();
  }

  /** Read the open conversation again: what came while we were away is in it. */
  async catchUp() {
    const id = this.openId;
    if (!id) return;
    try {
      const messages = await this.attempt(() => api.history(id, Conversation.pageSize));
      if (messages && id === this.openId) this.conversation.fill(messages);
    } catch (problem) {
      if (id === this.openId) this.conversation.showProblem(problem.message);
    }
  }

  received(otherId, message) {
    if (otherId === this.openId) {
      this.conversation.add(message);
    } else if (message.senderId !== this.user._id) {
      const person = this.people.get(otherId);
      if (person) person.unread++;
      else this.loadPeople();
    }
    this.draw();
  }

  async send(text, key) {
    const id = this.openId;
    const message = await this.attempt(() => api.send(id, text, key, this.socket.id));
    if (message && id === this.openId) this.conversation.add(message);
  }

  async setStatus(status, note) {
    await this.attempt(() => api.setStatus(this.user._id, status, note));
    this.user.status = status;
    this.draw();
  }

  async logOut() {
    await api.logOut().catch(() => undefined);
    this.leave();
  }

  leave(notice) {
    clearInterval(this.refresh);
    this.socket.close();
    showSignIn(notice);
  }
}

/** Cookies of two people's sessions: a log-in alone would leave the other's beside the new one. */
async function endAmbiguous(problem) {
  if (problem.code === 'AMBIGUOUS_SESSION') await api.logOut().catch(() => {});
}

function showChat(user) {
  const chat = new Chat(user);
  app.replaceChildren(chat.element);
  chat.start();
}

try {
  showChat(await api.me());
} catch (problem) {
  await endAmbiguous(problem);
  showSignIn(problem.status === 401 ? undefined : problem.message);
}
