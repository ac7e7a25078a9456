// A long list of rows of one height, of which only those on the screen exist. Rows are kept by
// their keys: one that stays is changed in place, and keeps focus and clicks.
import { rowsWithin } from '../core/window.js';
import { h, place } from './dom.js';

export class WindowList {
  keys = [];
  visible = []; // keys
  #rows = new Map(); // key -> {element, button, update(), index}
  #active = null; // the key of the row that Tab leads to
  #isHeld = false;
  #frame = 0;

  /** makeRow(key) gives {button, update()}. onMove: other rows are on the screen. */
  constructor({ makeRow, onMove, onEnd, signal }) {
    Object.assign(this, { makeRow, onMove, onEnd });
    this.list = h('ul', { class: 'rows' });
    this.element = h('div', {
      class: 'scroller', onscroll: () => this.#soon(), onkeydown: (event) => this.#key(event),
      // Between press and release nothing changes its place: the click is for what was pressed.
      onpointerdown: () => { this.#isHeld = true; },
      onfocusin: (event) => { this.#active = event.target.closest('li')?.dataset.key ?? this.#active; this.#draw(); },
    }, this.list);
    for (const end of ['pointerup', 'pointercancel', 'blur']) {
      addEventListener(end, () => { if (this.#isHeld) setTimeout(() => { this.#isHeld = false; this.draw(); }); }, { signal });
    }
    this.observer = new ResizeObserver(() => this.#soon());
    this.observer.observe(this.element);
  }

  get rowHeight() { return this.#height ??= 4.25 * parseFloat(getComputedStyle(document.documentElement).fontSize); }
  #height;

  set(keys) {
    this.next = keys;
    this.draw();
  }

  draw() {
    if (!this.#isHeld && this.next) this.keys = this.next;
    this.#draw();
  }

  #soon() { this.#frame ||= requestAnimationFrame(() => { this.#frame = 0; this.#draw(); }); }

  #draw() {
    const { keys, element, rowHeight } = this;
    const height = `${keys.length * rowHeight}px`;
    if (this.list.style.height !== height) this.list.style.height = height;
    const { first, end } = rowsWithin({ top: element.scrollTop, height: element.clientHeight || innerHeight, rowHeight, count: keys.length });
    const shown = keys.slice(first, end).map((key, i) => [key, first + i]);
    this.#keepFocused(shown, first, end);
    if (!shown.some(([key]) => key === this.#active)) this.#active = shown[0]?.[0] ?? null;
    const rows = shown.map(([key, index]) => this.#row(key, index));
    for (const [key, row] of this.#rows) if (!rows.includes(row)) this.#rows.delete(key);
    place(this.list, rows.map((row) => row.element));
    this.#tellMove(keys.slice(first, end));
    if (end >= keys.length - 10) this.onEnd();
  }

  /** The row with the focus stays, wherever the list has been scrolled to. */
  #keepFocused(shown, first, end) {
    const focused = this.list.contains(document.activeElement) ? this.#active : null;
    const index = focused ? this.keys.indexOf(focused) : -1;
    if (index < 0 || (index >= first && index < end)) return;
    if (index < first) shown.unshift([focused, index]);
    else shown.push([focused, index]);
  }

  #row(key, index) {
    let row = this.#rows.get(key);
    if (!row) {
      row = this.makeRow(key);
      row.element = h('li', { 'data-key': key }, row.button);
      this.#rows.set(key, row);
    }
    if (row.index !== index || row.of !== this.keys.length) {
      row.index = index;
      row.of = this.keys.length;
      row.element.style.transform = `translateY(${index * this.rowHeight}px)`;
      row.element.setAttribute('aria-posinset', index + 1);
      row.element.setAttribute('aria-setsize', row.of);
    }
    row.button.tabIndex = key === this.#active ? 0 : -1;
    row.update();
    return row;
  }

  #tellMove(visible) {
    if (visible.length === this.visible.length && visible.every((key, i) => key === this.visible[i])) return;
    this.visible = visible;
    this.onMove();
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.rowHeight) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const at = this.keys.indexOf(this.#active) + step;
    if (at < 0 && event.key === 'ArrowUp') this.onTop?.();
    else this.focus(this.keys[Math.min(this.keys.length - 1, Math.max(0, at))]);
  }

  /** Bring a row onto the screen and focus it. */
  focus(key = this.keys[0]) {
    const index = this.keys.indexOf(key);
    if (index < 0) return false;
    const { element, rowHeight } = this;
    const top = index * rowHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + rowHeight > element.scrollTop + element.clientHeight) element.scrollTop = top + rowHeight - element.clientHeight;
    this.#active = key;
    this.#draw();
    this.#rows.get(key)?.button.focus({ preventScroll: true });
    element.scrollIntoView({ block: 'nearest' }); // on a low screen the list may be below it
    return true;
  }

  toTop() { this.element.scrollTop = 0; }

  close() { this.observer.disconnect(); }
}
