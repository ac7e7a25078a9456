// The messages of the open conversation, oldest first. Rows are kept by key and changed in
// place; whoever is at the end stays there, and whoever is not stays where they are.
import { dayOf, fullTimeOf, timeOf } from '../core/days.js';
import { isEmoji, partsOf } from '../core/text.js';
import { t } from '../strings.js';
import { h, place, say, show } from './dom.js';

const nearEnd = 40; // pixels
const nearTop = 400;
const together = 5 * 60000; // messages of one person within it belong together

const ticks = { waiting: '…', sending: '…', saving: '…', deleting: '…', sent: '✓', delivered: '✓✓', read: '✓✓' };
const automatic = ['llm', 'fallback'];

function textNodes(text) {
  return partsOf(text).map((part) => {
    if (part.kind === 'link') return h('a', { href: part.text, target: '_blank', rel: 'noopener noreferrer' }, part.text);
    if (part.kind === 'code') return h('code', {}, part.text);
    if (part.kind === 'block') return h('pre', { dir: 'ltr' }, h('code', {}, part.text));
    return part.text;
  });
}

export class Log {
  isPinned = true; // at the end
  #rows = new Map(); // key -> {element, update(item)}
  #top = 0;
  #goTo = null; // the key of a row to show first
  #items = new WeakMap(); // element of a row -> its item

  constructor({ user, on }) {
    Object.assign(this, { user, on });
    this.column = h('div', { class: 'column' });
    this.element = h('div', { class: 'log', role: 'log', 'aria-label': t.messages, 'aria-relevant': 'additions', 'aria-describedby': 'log-hint', tabindex: '0', onscroll: () => this.#scrolled() }, this.column);
    this.observer = new ResizeObserver(() => { if (this.isPinned) this.toEnd(); });
    this.observer.observe(this.element);
    this.observer.observe(this.column);
  }

  /** Another conversation: it begins at its end. */
  begin() {
    this.#rows.clear();
    this.column.replaceChildren();
    this.isPinned = true;
    this.#goTo = null;
  }

  /** Show the row of this key, if it is above what the end shows. */
  startAt(key) { this.#goTo = key; }

  toEnd() {
    this.element.scrollTop = this.element.scrollHeight;
    this.#top = this.element.scrollTop;
  }

  jumpToEnd() {
    this.isPinned = true;
    this.toEnd();
    this.on.scroll();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    const wasPinned = this.isPinned;
    // A log that grows is not a person who scrolls up.
    if (scrollHeight - scrollTop - clientHeight < nearEnd) this.isPinned = true;
    else if (scrollTop < this.#top) this.isPinned = false;
    this.#top = scrollTop;
    if (wasPinned !== this.isPinned) this.on.scroll();
    if (scrollTop < nearTop) this.on.older();
  }

  /** What is shown in an element of the log. */
  itemOf(element) { return this.#items.get(element); }

  /** items: {kind, key, ...}, in order; see conversation.js. */
  draw(items) {
    const anchor = this.isPinned ? null : this.#anchor();
    const elements = items.map((item) => {
      let row = this.#rows.get(item.key);
      if (!row || row.kind !== item.kind) this.#rows.set(item.key, row = this.#makeRow(item));
      row.update(item);
      this.#items.set(row.element, item);
      return row.element;
    });
    const keys = new Set(items.map((item) => item.key));
    for (const key of this.#rows.keys()) if (!keys.has(key)) this.#rows.delete(key);
    place(this.column, elements);
    this.#settle(anchor);
  }

  #settle(anchor) {
    const start = this.#goTo && this.#rows.get(this.#goTo)?.element;
    if (start) {
      this.#goTo = null;
      this.toEnd();
      if (start.offsetTop < this.element.scrollTop) {
        this.isPinned = false;
        this.element.scrollTop = this.#top = start.offsetTop - 8;
      }
    } else if (this.isPinned) {
      this.toEnd();
    } else if (anchor?.element.isConnected) {
      this.element.scrollTop = this.#top = anchor.element.offsetTop - anchor.offset;
    }
  }

  /** The first message on the screen, and how far from its top. */
  #anchor() {
    const top = this.element.scrollTop;
    for (const element of this.column.children) {
      if (element.offsetTop + element.offsetHeight > top && element.classList.contains('bubble')) return { element, offset: element.offsetTop - top };
    }
    return null;
  }

  #makeRow({ kind, ...item }) {
    if (kind === 'message') return { kind, ...this.#bubble(item) };
    if (kind === 'problem') return { kind, ...this.#problem() };
    const [tag, name] = { day: ['h3', 'day'], line: ['p', 'new-line'], hint: ['p', 'hint empty'] }[kind];
    const inner = h('span');
    return { kind, element: h(tag, { class: name }, inner), update: ({ text }) => say(inner, text) };
  }

  #problem() {
    const text = h('span');
    let retry;
    const element = h('div', { class: 'problem', role: 'alert' }, text, ' ', h('button', { type: 'button', class: 'link', onclick: () => retry() }, t.retry));
    return { element, update: (item) => { say(text, item.text); retry = item.retry; } };
  }

  #bubble({ isMine }) {
    const kind = h('span', { class: 'kind' }, t.automatic);
    const text = h('div', { class: 'text', dir: 'auto' });
    const time = h('time', {});
    const edited = h('span', { class: 'edited' }, t.edited);
    const tick = h('span', { 'aria-hidden': 'true' });
    const state = h('span', { class: 'unseen' });
    const failed = h('div', { class: 'failed', hidden: true });
    const meta = h('div', { class: 'meta' });
    const body = h('div', { class: 'body' }, text, meta);
    const who = h('span', { class: 'unseen' });
    const more = h('button', { type: 'button', class: 'more', tabindex: '-1', 'aria-label': t.messageMenu, 'aria-haspopup': 'menu', onclick: () => this.on.menu(element, more) }, '⋯');
    const element = h('article', { tabindex: '-1' }, who, body, failed, more);
    let shownText;
    let shownState;
    const update = (item) => {
      const content = item.isDeleted ? null : item.text;
      if (content !== shownText) text.replaceChildren(...(content === null ? [h('em', {}, t.deletedMessage)] : textNodes(content)));
      shownText = content;
      text.classList.toggle('large', isEmoji(content ?? ''));
      const drawn = JSON.stringify([item.at, item.state, item.failure, item.isDeleted, item.isEdited, item.autoReply, item.follows, item.name, timeOf(item.at)]);
      if (drawn === shownState) return;
      shownState = drawn;
      const isAutomatic = automatic.includes(item.autoReply);
      element.className = `bubble ${isMine ? 'mine' : 'theirs'}${isAutomatic ? ' automatic' : ''}${item.follows ? ' follows' : ''}${item.state ? ` is-${item.state}` : ''}${item.failure ? ' is-failed' : ''}${item.isDeleted ? ' is-deleted' : ''}`;
      say(who, isMine ? t.youSay : t.says(item.name));
      time.dateTime = item.at;
      time.title = fullTimeOf(item.at);
      say(time, timeOf(item.at));
      const said = t.state[item.state];
      place(element, [who, isAutomatic && kind, body, failed, !item.isDeleted && more].filter(Boolean));
      place(meta, [item.isEdited && edited, item.state !== 'failed' && time, said && tick, said && state].filter(Boolean));
      tick.className = `tick ${item.state}`;
      tick.title = said ?? '';
      say(tick, ticks[item.state] ?? '');
      say(state, said ?? '');
      this.#drawFailed(failed, item);
    };
    return { element, update };
  }

  /** failure: {key, title, text?, reason?, isFinal, drop}: a message that was not sent, or not changed. */
  #drawFailed(failed, { failure }) {
    show(failed, Boolean(failure));
    if (!failure) { failed.replaceChildren(); return; }
    const { key, title, text, reason, isFinal, drop } = failure;
    const button = (words, act) => [' · ', h('button', { type: 'button', class: 'link', onclick: () => act(key) }, words)];
    failed.replaceChildren(h('strong', {}, title), ...(isFinal ? [] : button(t.retry, this.on.retry)), ...button(drop, this.on.forget),
      text ? h('p', { class: 'unsaved', dir: 'auto' }, text) : '', reason ? h('p', { class: 'reason' }, reason) : '');
  }

  close() { this.observer.disconnect(); }
}

/** Do two messages stand together? */
export const follows = (item, before) => Boolean(before) && before.isMine === item.isMine && before.kind === 'message'
  && before.autoReply === item.autoReply && Date.parse(item.at) - Date.parse(before.at) < together;

export const headingOf = (at) => dayOf(at, t);
