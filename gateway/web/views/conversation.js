// The right side: one conversation, and the field to write in.
import { isWithin } from '../core/order.js';
import { t } from '../strings.js';
import { Composer } from './composer.js';
import { avatar, h, presenceOf, say, show } from './dom.js';
import { follows, headingOf, Log } from './log.js';

const typingLasts = 8000; // if no word of its end comes

/** A message, or one that is on its way, as the log shows it. */
const itemOf = (message, { isMine, name, key, state }) => ({
  kind: 'message', key, isMine, name, state, at: message.createdAt, text: message.message,
  isDeleted: Boolean(message.deletedAt), isEdited: Boolean(message.editedAt && !message.deletedAt), autoReply: message.autoReply?.kind,
});

export class ConversationView {
  #typingTimer = 0;
  #typing = '';

  constructor({ user, drafts, on }) {
    Object.assign(this, { user, on });
    this.face = h('span', { class: 'portrait' });
    this.name = h('h2', { dir: 'auto' });
    this.state = h('p', { class: 'hint', dir: 'auto' });
    this.back = h('button', { type: 'button', class: 'icon back', onclick: on.leave, 'aria-label': t.back }, h('span', { 'aria-hidden': 'true' }, '←'));
    this.head = h('header', { class: 'head' }, this.back, this.face, h('div', {}, this.name, this.state));
    this.other = h('div', { class: 'other', role: 'status' });
    this.log = new Log({ user, on });
    this.below = h('button', { type: 'button', class: 'below', hidden: true, onclick: () => { this.log.jumpToEnd(); this.composer.focus(); } });
    this.typing = h('p', { class: 'typing', role: 'status' });
    this.problem = h('p', { class: 'problem', role: 'alert', hidden: true });
    this.composer = new Composer({
      drafts, onSend: on.send, onTyping: on.typing, onDraft: on.draft, onProblem: (text) => { say(this.problem, text); show(this.problem, Boolean(text)); },
    });
    this.body = [this.head, this.other, h('div', { class: 'log-frame' }, this.log.element, this.below), this.typing, this.problem, this.composer.element];
    this.nothing = h('div', { class: 'nothing' }, mark(), h('p', {}, t.pick), h('p', { class: 'hint' }, t.pickHint));
    this.element = h('section', { class: 'conversation', 'aria-label': t.conversation, onkeydown: (event) => this.#key(event) }, this.nothing);
  }

  #key(event) {
    if (event.key === 'Escape' && !event.isComposing && event.keyCode !== 229 && !event.defaultPrevented) this.on.leave();
  }

  begin(id) {
    this.log.begin();
    this.showTyping(false);
    this.element.replaceChildren(...(id ? this.body : [this.nothing]));
    this.composer.begin(id);
    show(this.problem, false);
    this.hideOther();
  }

  drawHead(person) {
    const state = [presenceOf({ ...person, status: '' }, t), person.status === 'BUSY' ? (person.statusNote ? t.busyNote(person.statusNote) : t.busyWith) : '']
      .filter(Boolean).join(' · ');
    if (this.#face !== person._id + person.fullName) this.face.replaceChildren(avatar(person));
    this.#face = person._id + person.fullName;
    say(this.name, person.fullName);
    say(this.state, state);
  }
  #face;

  /**
   * thread and outgoing: what there is; entry: its marks; lineAt: the id of the first message
   * that is new; problem: {text, retry}, what could not be read.
   */
  draw({ person, thread, outgoing, entry, lineAt, problem, keyOf, stateOf }) {
    if (person) this.drawHead(person);
    this.log.draw(this.#items({ name: person?.fullName ?? '', thread, outgoing, lineAt, problem, keyOf, stateOf }));
    this.#drawBelow(thread, entry);
    const words = this.#typing && person ? (this.#typing === 'auto' ? t.typingFor(person.fullName) : t.typing(person.fullName)) : '';
    say(this.typing, words);
  }

  #items({ name, thread, outgoing, lineAt, problem, keyOf, stateOf }) {
    const items = [];
    let day;
    const add = (item, isFirstNew) => {
      const heading = headingOf(item.at);
      if (heading !== day) items.push({ kind: 'day', key: `day ${new Date(item.at).toDateString()}`, text: heading });
      day = heading;
      if (isFirstNew) items.push({ kind: 'line', key: 'line', text: t.newLine });
      item.follows = follows(item, items.at(-1));
      items.push(item);
    };
    const isAtTop = problem && (problem.isOlder || !thread.isLoaded);
    if (isAtTop) items.push({ kind: 'problem', key: 'problem', ...problem });
    else if (!thread.isLoaded || (thread.hasOlder && thread.isReading)) items.push({ kind: 'hint', key: 'loading', text: t.loading });
    else if (thread.messages.length + outgoing.length === 0) items.push({ kind: 'hint', key: 'empty', text: t.noMessages });
    for (const message of thread.messages) {
      const isMine = message.senderId === this.user._id;
      add(itemOf(message, { isMine, name, key: keyOf(message), state: isMine ? stateOf(message) : '' }), message._id === lineAt);
    }
    for (const item of outgoing) {
      add({ kind: 'message', key: item.key, isMine: true, name, at: new Date(item.at).toISOString(), text: item.text, state: item.state, reason: item.reason });
    }
    if (problem && !isAtTop) items.push({ kind: 'problem', key: 'problem', ...problem });
    return items;
  }

  #drawBelow(thread, entry) {
    let count = 0;
    const { messages } = thread;
    if (!this.log.isPinned) {
      for (let i = messages.length - 1; i >= 0 && !isWithin(messages[i], entry.readUpTo, thread.byId); i--) {
        if (messages[i].senderId !== this.user._id) count++;
      }
    }
    show(this.below, !this.log.isPinned);
    say(this.below, count > 0 ? t.newBelow(Math.min(100, count)) : '↓');
    if (count > 0) this.below.removeAttribute('aria-label');
    else this.below.setAttribute('aria-label', t.toEnd);
  }

  showTyping(isTyping, isAuto) {
    clearTimeout(this.#typingTimer);
    this.#typing = isTyping ? (isAuto ? 'auto' : 'person') : '';
    if (isTyping) this.#typingTimer = setTimeout(() => { this.showTyping(false); this.on.draft(); }, typingLasts);
    if (!isTyping) say(this.typing, '');
  }

  /** On a phone: somebody else writes. */
  showOther(person, text) {
    const line = h('button', { type: 'button', class: 'other-line', onclick: () => this.on.other(person._id) },
      avatar(person), h('span', { class: 'row-name' }, h('strong', { dir: 'auto' }, person.fullName), h('span', { class: 'preview', dir: 'auto' }, text)));
    this.other.replaceChildren(line, h('button', { type: 'button', class: 'icon', 'aria-label': t.close, onclick: () => this.hideOther() }, '×'));
    clearTimeout(this.otherTimer);
    this.otherTimer = setTimeout(() => { if (!this.other.contains(document.activeElement)) this.hideOther(); }, 8000);
  }

  hideOther() {
    clearTimeout(this.otherTimer);
    this.other.replaceChildren();
  }

  close() {
    this.composer.keep();
    this.log.close();
    this.hideOther();
    clearTimeout(this.#typingTimer);
  }
}

function mark() {
  return h('img', { src: document.querySelector('link[rel=icon]').href, alt: '', width: '56', height: '56' });
}
