// A menu at a place, or below a button: arrows move in it, and Escape, Tab or a click elsewhere close it.
import { h, isPhone } from './dom.js';

const margin = 8; // pixels from the edges of the window

let current;

export const isMenuOpen = () => Boolean(current);

export function closeMenu(isFocused = true) { current?.close(isFocused); }

/**
 * items: {text, act, isDanger}; at: {x, y}; back: where the focus goes when it closes. It stands in
 * `parent`, on a phone at the bottom.
 */
export function openMenu({ label, items, at, back, parent }) {
  closeMenu(false);
  const ending = new AbortController();
  const { signal } = ending;
  // A finger that is lifted where the menu came chooses nothing: it has to be put there.
  let isArmed = false;
  const choose = (event, act) => { if (isArmed || event.detail === 0) { close(true); act(); } };
  const buttons = items.map(({ text, act, isDanger }) => h('button', {
    type: 'button', role: 'menuitem', class: isDanger ? 'is-danger' : '', tabindex: '-1', onclick: (event) => choose(event, act),
  }, text));
  const element = h('div', {
    class: 'menu', role: 'menu', 'aria-label': label, onkeydown: key, oncontextmenu: (event) => event.preventDefault(),
    onpointerover: ({ target }) => target.closest('button')?.focus({ preventScroll: true }),
  }, buttons);

  function close(isFocused) {
    if (current?.element !== element) return;
    current = undefined;
    ending.abort();
    back?.removeAttribute('aria-expanded');
    if (isFocused && back?.isConnected) back.focus({ preventScroll: true });
    element.remove();
  }

  function key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const index = buttons.indexOf(document.activeElement);
    const next = step ? buttons.at((index + step) % buttons.length) : { Home: buttons[0], End: buttons.at(-1) }[event.key];
    if (next) next.focus();
    if (['Escape', 'Tab'].includes(event.key)) close(true);
    if (next || event.key === 'Escape' || event.key === 'Tab') { event.preventDefault(); event.stopPropagation(); }
  }

  parent.append(element);
  if (!isPhone.matches) {
    const { width, height } = element.getBoundingClientRect();
    element.style.left = `${Math.max(margin, Math.min(at.x, innerWidth - width - margin))}px`;
    element.style.top = `${Math.max(margin, Math.min(at.y, innerHeight - height - margin))}px`;
  }
  current = { element, close };
  if (back?.tagName === 'BUTTON') back.setAttribute('aria-expanded', 'true');
  buttons[0].focus({ preventScroll: true });
  addEventListener('pointerdown', ({ target }) => { isArmed = true; if (!element.contains(target)) close(false); }, { signal, capture: true });
  for (const name of ['resize', 'blur']) addEventListener(name, () => close(true), { signal });
  return element;
}
