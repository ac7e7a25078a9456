// The right side: one conversation, and the field to write in.
import { isWithin } from '../core/order.js';
import { t } from '../strings.js';
import { Composer } from './composer.js';
import { avatar, faceOf, h, isFree, presenceOf, say, show } from './dom.js';
import { follows, headingOf, Log } from './log.js';

const typingLasts = 8000; // if no word of its end comes

/** What has become of a change of one's own message, as the log shows it. */
function changed(item, change) {
  if (!change) return item;
  const { key, kind, text, reason, isFinal } = change;
  if (change.state === 'failed') {
    return { ...item, failure: kind === 'edit' ? { key, title: t.notChanged, text, reason, isFinal, drop: t.discard } : { key, title: t.notDeleted, reason, isFinal, drop: t.keep } };
  }
  if (item.isDeleted) return item;
  return kind === 'edit' ? { ...item, text, state: 'saving', canEdit: true } : { ...item, state: 'deleting', canEdit: false, canDelete: false };
}

/** A message as the log shows it. target: by what it is named for a change. */
const itemOf = (message, { isMine, name, key, state, change }) => changed({
  kind: 'message', key, target: message._id, isMine, name, state, at: message.createdAt, text: message.message,
  isDeleted: Boolean(message.deletedAt), isEdited: Boolean(message.editedAt && !message.deletedAt), autoReply: message.autoReply?.kind,
  canEdit: isMine && !message.deletedAt && !message.autoReply, canDelete: isMine && !message.deletedAt,
}, change);

/** One that is on its way. */
const outgoingOf = ({ key, at, text, state, reason }, { name, change }) => changed({
  kind: 'message', key, target: key, isMine: true, name, state, at: new Date(at).toISOString(), text, canEdit: state !== 'failed', canDelete: true,
  failure: state === 'failed' ? { key, title: t.notSent, reason, drop: t.delete } : undefined,
}, change);

export class ConversationView {
  #typingTimer = 0;
  #typing = '';
  #items = []; // of the log

  constructor({ user, drafts, on }) {
    Object.assign(this, { user, on });
    this.face = h('span', { class: 'portrait' });
    this.name = h('h2', { dir: 'auto' });
    this.state = h('p', { class: 'hint', dir: 'auto' });
    this.back = h('button', { type: 'button', class: 'icon back', onclick: on.leave, 'aria-label': t.back }, h('span', { 'aria-hidden': 'true' }, '←'));
    this.more = h('button', { type: 'button', class: 'icon', 'aria-label': t.more, title: t.more, 'aria-haspopup': 'menu', onclick: () => this.#withMenus((menus) => menus.openHead()) }, h('span', { 'aria-hidden': 'true' }, '⋮'));
    this.head = h('header', { class: 'head' }, this.back, this.face, h('div', { class: 'who' }, this.name, this.state), this.more);
    this.other = h('div', { class: 'other', role: 'status' });
    this.log = new Log({ on: { ...on, menu: (element, button) => this.#withMenus((menus) => menus.open(element, button)) } });
    for (const name of ['keydown', 'contextmenu', 'pointerdown', 'pointermove', 'pointerup', 'pointercancel']) {
      this.log.element.addEventListener(name, (event) => this.#gesture(event));
    }
    this.below = h('button', { type: 'button', class: 'below', hidden: true, onclick: () => { this.log.jumpToEnd(); this.composer.focus(); } });
    this.said = h('p', { class: 'unseen', role: 'status' });
    this.typing = h('p', { class: 'typing', role: 'status' });
    this.problem = h('p', { class: 'problem', role: 'alert', hidden: true });
    this.composer = new Composer({
      drafts, onSend: on.send, onEdit: on.edit, onEditLast: () => this.#editLast(), onTyping: on.typing, onDraft: on.draft, onProblem: (text) => { say(this.problem, text); show(this.problem, Boolean(text)); },
    });
    this.blocked = h('div', { class: 'blocked', hidden: true }, this.blockedText = h('p', { role: 'status' }),
      h('button', { type: 'button', class: 'link', onclick: async ({ target }) => { await on.block(this.person, false); if (isFree(target)) this.composer.focus(); } }, t.unblock));
    this.body = [this.head, this.other, h('div', { class: 'log-frame' }, this.log.element, this.below), this.typing, this.problem, this.blocked, this.composer.element, this.said,
      h('p', { id: 'log-hint', hidden: true }, t.messagesHint)];
    this.nothing = h('div', { class: 'nothing' }, mark(), h('p', {}, t.pick), h('p', { class: 'hint' }, t.pickHint));
    this.element = h('section', { class: 'conversation', 'aria-label': t.conversation, onkeydown: (event) => this.#key(event) }, this.nothing);
  }

  #key(event) {
    if (event.key === 'Escape' && !event.isComposing && event.keyCode !== 229 && !event.defaultPrevented) {
      if (this.composer.editing) this.composer.endEdit(true);
      else this.on.leave();
    }
  }

  begin(id) {
    this.menus?.close();
    if (id) this.#loadMenus().catch(() => {}); // by the time somebody wants one it is here
    this.#items = [];
    this.log.begin();
    this.showTyping(false);
    this.element.replaceChildren(...(id ? this.body : [this.nothing]));
    this.composer.begin(id);
    show(this.problem, false);
    this.hideOther();
  }

  drawHead(person) {
    const state = [presenceOf({ ...person, status: '' }, t), person.username, person.status === 'BUSY' ? (person.statusNote ? t.busyNote(person.statusNote) : t.busyWith) : '']
      .filter(Boolean).join(' · ');
    this.#sayHead(faceOf(person), () => avatar(person), person.fullName, state);
  }

  #sayHead(face, make, name, state) {
    if (this.#face !== face) this.face.replaceChildren(...[make()].filter(Boolean));
    this.#face = face;
    say(this.name, name);
    say(this.state, state);
  }
  #face;

  /**
   * thread and outgoing: what there is; entry: its marks; lineAt: the id of the first message
   * that is new; problem: {text, retry}, what could not be read.
   */
  draw({ person, isBlocked, entry, ...rest }) {
    // Until it is known who it is, nobody's name stands there: least of all that of the one before.
    if (person) this.drawHead(person);
    else this.#sayHead('', () => null, '', '');
    this.isNobody = Boolean(rest.problem?.isNobody);
    this.person = person;
    this.isBlocked = isBlocked;
    this.#items = this.#itemsOf({ name: person?.fullName ?? '', isBlocked, ...rest });
    this.log.draw(this.#items);
    this.#drawBelow(rest.thread, entry);
    this.#drawBlocked();
    const words = this.#typing && person ? (this.#typing === 'auto' ? t.typingFor(person.fullName) : t.typing(person.fullName)) : '';
    say(this.typing, words);
  }

  #itemsOf({ name, isBlocked, thread, outgoing, lineAt, problem, keyOf, stateOf, changeOf }) {
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
    else if (thread.messages.length + outgoing.length === 0 && !problem && !isBlocked) items.push({ kind: 'hint', key: 'empty', text: t.noMessages });
    for (const message of thread.messages) {
      const isMine = message.senderId === this.user._id;
      add(itemOf(message, { isMine, name, key: keyOf(message), state: isMine ? stateOf(message) : '', change: isMine ? changeOf(message._id) : undefined }), message._id === lineAt);
    }
    // What is on its way comes last, also by a clock that is late.
    const last = Date.parse(thread.last?.createdAt) || 0;
    for (const item of outgoing) add(outgoingOf({ ...item, at: Math.max(item.at, last) }, { name, change: changeOf(item.key) }));
    if (problem && !isAtTop) items.push({ kind: 'problem', key: 'problem', ...problem });
    return items;
  }

  #drawBelow(thread, entry) {
    let count = 0;
    const { messages } = thread;
    if (!this.log.isPinned) {
      for (let i = messages.length - 1; i >= 0 && !isWithin(messages[i], entry.readUpTo, thread.byId); i--) {
        if (messages[i].senderId !== this.user._id && !messages[i].deletedAt) count++;
      }
    }
    if (!this.log.isPinned) count = Math.max(count, entry.unread); // also what is not loaded yet
    show(this.below, !this.log.isPinned);
    say(this.below, count > 0 ? t.newBelow(Math.min(100, count)) : '↓');
    if (count > 0) this.below.removeAttribute('aria-label');
    else this.below.setAttribute('aria-label', t.toEnd);
  }

  #drawBlocked() {
    const hadFocus = this.composer.element.contains(document.activeElement);
    show(this.blocked, this.isBlocked);
    show(this.composer.element, !this.isBlocked && !this.isNobody);
    show(this.more, Boolean(this.person));
    if (this.isBlocked) say(this.blockedText, t.youBlocked(this.person?.fullName ?? ''));
    if (hadFocus && this.composer.element.hidden) (this.isNobody ? this.log.element : this.more).focus();
  }

  /** Menus are loaded with the first conversation that is opened, and all that they need at once. */
  async #loadMenus() {
    if (this.menus) return;
    const [{ Menus }] = await Promise.all([import('./menus.js'), import('./menu.js'), import('./dialog.js'), import('../strings_dialogs.js')]);
    this.menus ??= new Menus(this);
  }

  /** What may open a menu; also while they are still being loaded. */
  #gesture(event) {
    if (this.menus) { this.menus.handle(event); return; }
    if (event.type === 'pointerup' || event.type === 'pointercancel') this.#lastDown = null;
    if (event.type === 'pointerdown') this.#lastDown = event;
    const article = event.target.closest('article');
    if (!article || !['contextmenu', 'pointerdown', 'keydown'].includes(event.type)) return;
    if (event.type === 'contextmenu' && !event.target.closest('a')) event.preventDefault();
    this.#loadMenus().then(() => { if (event.type !== 'pointerdown' || event === this.#lastDown) this.menus.handle(event); }, () => {});
  }
  #lastDown;

  async #withMenus(use) {
    try {
      await this.#loadMenus();
    } catch {
      this.composer.onProblem(t.unreachable);
      return;
    }
    use(this.menus);
  }

  /** Now: a little later it may be too late. */
  mayEdit({ kind, canEdit, at }) { return kind === 'message' && canEdit && !this.on.isLate(at); }

  /** The last message of one's own that may be edited. True if there is one. */
  #editLast() {
    const last = this.#items.findLast((item) => this.mayEdit(item) && !item.failure);
    if (last) this.composer.edit(last.target, last.text);
    return Boolean(last);
  }

  /** A message is gone: there is nothing to edit in it, nor a menu of it. */
  deleted(id, key) {
    this.menus?.deleted(key);
    const target = this.composer.editing?.target;
    if (target !== id && target !== key) return;
    this.composer.endEdit();
    this.composer.onProblem(t.goneMessage);
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
    this.menus?.close();
    this.composer.keep();
    this.log.close();
    this.hideOther();
    clearTimeout(this.#typingTimer);
  }
}

function mark() {
  return h('img', { src: document.querySelector('link[rel=icon]').href, alt: '', width: '56', height: '56' });
}
