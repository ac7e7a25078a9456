// The right side: one conversation, its messages oldest first, and the field to write in.
import { avatar, dayOf, h, timeOf } from './dom.js';

const typingEvery = 3000; // the server ends it after 6 s

export class Conversation {
  static pageSize = 50;

  constructor(user, { onSend, onTyping, onBack, loadOlder }) {
    Object.assign(this, { user, onSend, onTyping, loadOlder });
    this.head = h('header', { class: 'head' });
    this.back = h('button', { type: 'button', class: 'link back', onclick: onBack, 'aria-label': 'Back to everybody' }, '←');
    this.log = h('div', { class: 'log', role: 'log', 'aria-label': 'Messages', tabindex: '0', onscroll: () => this.scrolled() });
    this.typing = h('p', { class: 'typing', role: 'status' });
    this.problem = h('p', { class: 'problem', role: 'alert', hidden: true });
    this.text = h('textarea', {
      rows: '1', placeholder: 'Write a message', 'aria-label': 'Message', oninput: () => this.wrote(),
      onkeydown: (event) => { if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); this.submit(); } },
    });
    this.button = h('button', { class: 'primary', type: 'submit' }, 'Send');
    this.form = h('form', { class: 'write', onsubmit: (event) => { event.preventDefault(); this.submit(); } }, this.text, this.button);
    this.element = h('main', { class: 'conversation' });
    this.clear();
  }

  clear() {
    this.person = null;
    this.ids = new Set();
    this.element.replaceChildren(h('div', { class: 'nothing' },
      h('p', {}, 'Pick someone to talk to.'), h('p', { class: 'hint' }, 'Set yourself to Busy, and an assistant answers for you.')));
  }

  begin(person) {
    this.clear();
    this.person = person;
    this.oldest = null;
    this.hasOlder = false;
    this.pending = null;
    this.text.value = '';
    this.problem.hidden = true;
    this.typing.textContent = '';
    this.log.replaceChildren(h('p', { class: 'hint empty' }, 'Loading…'));
    this.element.replaceChildren(this.head, this.log, this.typing, this.problem, this.form);
    this.text.focus();
  }

  drawHead(person, isOnline) {
    const state = `${isOnline ? 'online' : 'offline'}${person.status === 'BUSY' ? ', busy: an assistant answers' : ''}`;
    this.head.replaceChildren(this.back, avatar(person),
      h('div', {}, h('h2', {}, person.fullName), h('p', { class: 'hint' }, state)));
  }

  /** The latest page; called again after an interruption, when it only adds what is missing. */
  fill(messages) {
    const isNew = this.ids.size === 0;
    if (!isNew) {
      if (messages.every((message) => !this.ids.has(message._id)) && messages.length > 0) this.ids.clear();
      else { for (const message of messages) this.add(message); return; }
    }
    this.log.replaceChildren();
    this.hasOlder = messages.length === Conversation.pageSize;
    this.oldest = messages[0]?._id;
    for (const message of messages) this.append(message);
    if (messages.length === 0) this.log.append(h('p', { class: 'hint empty' }, 'No messages yet. Say hello!'));
    this.toEnd();
  }

  add(message) {
    if (!this.person || this.ids.has(message._id)) return;
    const wasAtEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 80;
    this.log.querySelector('.empty')?.remove();
    if (message.senderId === this.person._id) this.showTyping(false);
    this.append(message);
    if (wasAtEnd || message.senderId === this.user._id) this.toEnd();
  }

  append(message) {
    this.ids.add(message._id);
    this.log.append(...this.bubble(message, this.log.querySelector('.bubble:last-of-type')?.dataset.day));
  }

  /** A message's elements: a day's heading if it is the first of its day, and the bubble. */
  bubble(message, dayBefore) {
    const isMine = message.senderId === this.user._id;
    const day = dayOf(message.createdAt);
    const who = isMine ? 'You' : this.person.fullName;
    const kind = { llm: 'Automatic reply', fallback: 'Automatic reply' }[message.autoReply?.kind];
    const bubble = h('article', { class: `bubble ${isMine ? 'mine' : 'theirs'}${kind ? ' automatic' : ''}`, 'data-day': day },
      h('span', { class: 'unseen' }, `${who}: `),
      kind ? h('span', { class: 'kind' }, kind) : null,
      h('p', { dir: 'auto' }, message.message),
      h('time', { datetime: message.createdAt }, timeOf(message.createdAt)));
    return day === dayBefore ? [bubble] : [h('h3', { class: 'day' }, day), bubble];
  }

  async scrolled() {
    if (this.log.scrollTop > 60 || !this.hasOlder || this.isLoading) return;
    const { person, log } = this;
    this.isLoading = true;
    try {
      const messages = await this.loadOlder(this.oldest);
      if (person !== this.person) return;
      this.hasOlder = messages.length === Conversation.pageSize;
      this.oldest = messages[0]?._id ?? this.oldest;
      const height = log.scrollHeight;
      this.prepend(messages.filter((message) => !this.ids.has(message._id)));
      log.scrollTop += log.scrollHeight - height;
    } catch (error) {
      this.showProblem(error.message);
    } finally {
      this.isLoading = false;
    }
  }

  prepend(messages) {
    let day;
    const elements = [];
    for (const message of messages) {
      this.ids.add(message._id);
      elements.push(...this.bubble(message, day));
      day = dayOf(message.createdAt);
    }
    const heading = this.log.querySelector('.day');
    if (heading?.textContent === day) heading.remove();
    this.log.prepend(...elements);
  }

  toEnd() { this.log.scrollTop = this.log.scrollHeight; }

  showTyping(isTyping, isAuto) {
    this.typing.textContent = !isTyping ? '' : isAuto ? `An assistant is answering for ${this.person.fullName}…` : `${this.person.fullName} is writing…`;
  }

  showProblem(text) {
    this.problem.textContent = text;
    this.problem.hidden = false;
    this.log.querySelector('.empty')?.remove();
  }

  wrote() {
    this.pending = null;
    this.text.style.height = 'auto';
    this.text.style.height = `${Math.min(this.text.scrollHeight, 160)}px`;
    if (this.text.value && Date.now() - (this.toldTyping ?? 0) > typingEvery) {
      this.toldTyping = Date.now();
      this.onTyping(true);
    }
  }

  async submit() {
    const text = this.text.value;
    if (!text.trim() || this.button.disabled) return;
    // The same text tried again goes under the same key, so that it is stored once.
    this.pending ??= { text, key: Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('') };
    this.button.disabled = true;
    this.problem.hidden = true;
    try {
      const { person } = this;
      await this.onSend(text, this.pending.key);
      this.toldTyping = 0;
      if (person === this.person && this.text.value === text) {
        this.text.value = '';
        this.wrote();
      }
    } catch (error) {
      this.showProblem(`Not sent. ${error.message}`);
    } finally {
      this.button.disabled = false;
      this.text.focus();
    }
  }
}
