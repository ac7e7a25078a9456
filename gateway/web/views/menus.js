// The menus of a conversation: that of a message, by mouse, keys and a long press, and the one in
// the head. Loaded with the first conversation; what they do is asked of the view.
import { t } from '../strings_dialogs.js';
import { confirm } from './dialog.js';
import { closeMenu, isMenuOpen, openMenu } from './menu.js';

const pressTime = 500; // ms of a finger on a message, until its menu comes
const pressMoves = 10; // pixels; further is scrolling

export class Menus {
  #press = null; // of a finger: {x, y, timer}
  #key; // of the message whose menu is open

  constructor(view) { this.view = view; }

  /** An event of the log. */
  handle(event) {
    switch (event.type) {
      case 'keydown': this.#pressedKey(event); break;
      case 'contextmenu': this.#contextMenu(event); break;
      case 'pointerdown': this.#pressed(event); break;
      case 'pointermove': this.#moved(event); break;
      default: this.#released();
    }
  }

  close() {
    this.#released();
    closeMenu(false);
  }

  /** A message is gone, and its menu with it. */
  deleted(key) { if (this.#key === key) closeMenu(); }

  /** The menu of a message: at a place, or below a button of it. False if it has none. */
  open(element, button, at) {
    const { view } = this;
    const item = view.log.itemOf(element);
    if (!item || item.isDeleted) return false;
    const { left, top, bottom, width } = (button ?? element).getBoundingClientRect();
    at ??= button ? { x: left, y: bottom + 4 } : { x: left + Math.min(40, width / 2), y: Math.max(60, top + 20) };
    this.#key = item.key;
    const items = [
      view.mayEdit(item) && !view.isBlocked && { text: t.edit, act: () => view.composer.edit(item.target, item.text) },
      { text: t.copy, act: () => this.#copy(item.text) },
      item.canDelete && { text: t.delete, isDanger: true, act: () => this.#delete(item.target, view.composer.id) },
    ].filter(Boolean);
    openMenu({ label: t.messageMenu, items, at, back: element, parent: view.element });
    return true;
  }

  async #copy(text) {
    const { view } = this;
    try {
      await navigator.clipboard.writeText(text);
      view.said.textContent = t.copied;
    } catch {
      view.composer.onProblem(t.copyFailed);
    }
  }

  async #delete(target, to) {
    if (await confirm({ title: t.deleteTitle, text: t.deleteText, action: t.delete })) this.view.on.delete(target, to);
  }

  /** The menu of the person. */
  openHead() {
    const { view } = this;
    const { person } = view;
    if (!person) return;
    const { left, bottom } = view.more.getBoundingClientRect();
    const items = [view.isBlocked ? { text: t.unblock, act: () => view.on.block(person, false) } : { text: t.block, isDanger: true, act: () => this.#block(person) }];
    this.#key = undefined;
    openMenu({ label: t.more, items, at: { x: left, y: bottom + 4 }, back: view.more, parent: view.element });
  }

  async #block(person) {
    if (await confirm({ title: t.blockTitle(person.fullName), text: t.blockText, action: t.block })) this.view.on.block(person, true);
  }

  #contextMenu(event) {
    const element = event.target.closest('article');
    // What the browser offers for a link, or for a selected text, is not taken away.
    if (!element || event.target.closest('a') || (!isMenuOpen() && String(getSelection()).trim())) return;
    if (isMenuOpen() || this.open(element, null, { x: event.clientX, y: event.clientY })) event.preventDefault();
  }

  #pressed(event) {
    const element = event.target.closest('article');
    this.#released();
    if (event.pointerType !== 'touch' || !element || event.target.closest('a, button')) return;
    const { clientX: x, clientY: y } = event;
    this.#press = { x, y, timer: setTimeout(() => { this.#press = null; if (!isMenuOpen()) this.open(element, null, { x, y }); }, pressTime) };
  }

  #moved({ clientX, clientY }) {
    if (this.#press && Math.hypot(clientX - this.#press.x, clientY - this.#press.y) > pressMoves) this.#released();
  }

  #released() {
    clearTimeout(this.#press?.timer);
    this.#press = null;
  }

  /** From the log, or a message, arrows lead to messages; on one, Enter and the keys for a menu open its own. */
  #pressedKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { log, composer } = this.view;
    const { target, key } = event;
    const articles = [...log.column.querySelectorAll('article')];
    const at = articles.indexOf(target);
    if (at < 0 && (target !== log.element || !['ArrowUp', 'ArrowDown'].includes(key))) return;
    const next = { ArrowUp: articles.at(at < 0 ? -1 : Math.max(0, at - 1)), ArrowDown: articles[at < 0 ? articles.length - 1 : at + 1], Home: articles[0], End: articles.at(-1) }[key];
    const isMenuKey = key === 'Enter' || key === 'ContextMenu' || (key === 'F10' && event.shiftKey);
    if (next) {
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: 'nearest' });
    }
    if (key === 'Escape' && at >= 0) composer.text.focus();
    if (next || (key === 'Escape' && at >= 0) || (isMenuKey && this.open(target))) event.preventDefault();
  }
}
