// What one may switch, whom one has blocked, and the way out of every device.
import { logOutEverywhere } from '../core/account.js';
import { t } from '../strings_dialogs.js';
import { playSound } from './alert.js';
import { blockedList } from './blocked.js';
import { openDialog } from './dialog.js';
import { h, say, show } from './dom.js';

export function open(chat) {
  const prefs = chat.readPrefs();
  const keep = () => chat.keepPrefs();
  const blocked = h('p', { class: 'problem', role: 'alert', hidden: true });
  const tell = (text) => { say(blocked, text); show(blocked, Boolean(text)); };

  const row = (name, label, hint, change) => {
    const id = `settings-${name}`;
    const box = h('input', { type: 'checkbox', role: 'switch', id, 'aria-describedby': `${id}-hint`, onchange: () => change(box) });
    box.checked = prefs[name] && (name !== 'notify' || globalThis.Notification?.permission === 'granted');
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
    if (box.checked) playSound();
  }

  const everywhere = h('button', {
    type: 'button', class: 'danger', onclick: async () => {
      everywhere.disabled = true;
      const problem = await chat.session.logOut(logOutEverywhere, t.loggedOutEverywhere);
      everywhere.disabled = false;
      if (problem) tell(t.logOutFailed(problem.message));
    },
  }, t.logOutEverywhere);

  return openDialog({ title: t.settings },
    row('notify', t.notifications, t.notificationsHint, changeNotify),
    row('sound', t.sound, t.soundHint, changeSound),
    blocked,
    blockedList(chat),
    h('div', { class: 'setting' }, everywhere, h('p', { class: 'hint' }, t.logOutEverywhereHint)));
}
