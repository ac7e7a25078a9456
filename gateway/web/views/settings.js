// What one may switch, and the way out of every device.
import { t } from '../strings.js';
import { h, say, show } from './dom.js';

/** prefs: {notify, sound}, kept by keep(). */
export function settingsDialog({ prefs, keep, testSound, logOutEverywhere }) {
  const blocked = h('p', { class: 'problem', role: 'alert', hidden: true });
  const tell = (text) => { say(blocked, text); show(blocked, Boolean(text)); };

  const row = (name, label, hint, change) => {
    const id = `settings-${name}`;
    const box = h('input', { type: 'checkbox', role: 'switch', id, 'aria-describedby': `${id}-hint`, onchange: () => change(box) });
    box.checked = prefs[name];
    return h('div', { class: 'setting' }, h('label', { for: id }, label), box, h('p', { class: 'hint', id: `${id}-hint` }, hint));
  };

  async function changeNotify(box) {
    tell('');
    if (box.checked && !('Notification' in window)) tell(t.notificationsNone);
    // Asked for by this click, and never by itself.
    else if (box.checked && (await Notification.requestPermission()) !== 'granted') tell(t.notificationsBlocked);
    if (!blocked.hidden) box.checked = false;
    prefs.notify = box.checked;
    keep();
  }

  function changeSound(box) {
    prefs.sound = box.checked;
    keep();
    if (box.checked) testSound();
  }

  const everywhere = h('button', {
    type: 'button', class: 'danger', onclick: async () => {
      everywhere.disabled = true;
      const problem = await logOutEverywhere();
      everywhere.disabled = false;
      if (problem) tell(t.logOutFailed(problem.message));
    },
  }, t.logOutEverywhere);

  const dialog = h('dialog', { class: 'settings', 'aria-labelledby': 'settings-title', onclose: () => dialog.remove(), onclick: (event) => { if (event.target === dialog) dialog.close(); } },
    h('div', { class: 'settings-body' },
      h('header', {}, h('h2', { id: 'settings-title' }, t.settings), h('button', { type: 'button', class: 'icon', 'aria-label': t.close, onclick: () => dialog.close() }, '×')),
      row('notify', t.notifications, t.notificationsHint, changeNotify),
      row('sound', t.sound, t.soundHint, changeSound),
      blocked,
      h('div', { class: 'setting' }, everywhere, h('p', { class: 'hint' }, t.logOutEverywhereHint))));
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
