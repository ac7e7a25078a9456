// Dialogs: what is asked before something that cannot be undone, and the frame of the larger ones.
import { t } from '../strings_dialogs.js';
import { h } from './dom.js';

let serial = 0;

const style = h('link', { rel: 'stylesheet', href: new URL('../dialogs.css', import.meta.url).href });
await new Promise((resolve) => {
  style.onload = style.onerror = resolve;
  document.head.append(style);
});

/** Shown at once; the focus returns to where it was when it closes, and then it is gone. */
export function openDialog({ title, role, isSmall }, ...children) {
  const id = `dialog-${++serial}`;
  let isBeside = false;
  const close = () => dialog.close();
  const dialog = h('dialog', {
    class: `settings${isSmall ? ' is-small' : ''}`, role, 'aria-labelledby': id, onclose: () => dialog.remove(),
    // A click beside it closes it; one that began within does not.
    onpointerdown: ({ target }) => { isBeside = target === dialog; }, onclick: ({ target }) => { if (isBeside && target === dialog) close(); },
    onkeydown: (event) => event.stopPropagation(),
  },
  h('div', { class: 'settings-body' },
    h('header', {}, h('h2', { id }, title), h('button', { type: 'button', class: 'icon', 'aria-label': t.close, onclick: close }, '×')), ...children));
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** True once somebody says so. */
export function confirm({ title, text, action }) {
  return new Promise((resolve) => {
    let answer = false;
    const yes = h('button', { type: 'button', class: 'danger', onclick: () => { answer = true; dialog.close(); } }, action);
    const no = h('button', { type: 'button', class: 'link', onclick: () => dialog.close() }, t.cancel);
    const dialog = openDialog({ title, role: 'alertdialog', isSmall: true }, h('p', { id: 'confirm-text' }, text), h('div', { class: 'actions' }, no, yes));
    dialog.setAttribute('aria-describedby', 'confirm-text');
    dialog.addEventListener('close', () => resolve(answer));
    no.focus();
  });
}
