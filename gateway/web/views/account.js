// One's own account: profile, picture, password, sessions, data, and the end of it.
import * as api from '../core/account.js';
import { fullTimeOf } from '../core/days.js';
import { forgetAll } from '../storage.js';
import { t } from '../strings_dialogs.js';
import { blockedList } from './blocked.js';
import { openDialog } from './dialog.js';
import { avatar, h, isFree, say, show } from './dom.js';
import { field, form, genderField } from './form.js';
import { pictureOf } from './picture.js';

/** A password that is wrong is said at its field. */
async function withPassword(request) {
  try {
    return await request();
  } catch (problem) {
    throw problem.code === 'BAD_PASSWORD' ? Object.assign(new Error(t.passwordWrong), { field: 'password' }) : problem;
  }
}

const part = (title, ...children) => h('section', { class: 'part' }, h('h3', {}, title), ...children);

const folded = (title, ...children) => h('details', { class: 'part' }, h('summary', {}, title), ...children);

function picturePart(chat) {
  const face = h('span', { class: 'portrait large' });
  const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  const done = h('span', { class: 'hint', role: 'status' });
  const file = h('input', { type: 'file', accept: 'image/*', hidden: true, 'aria-label': t.choosePicture, onchange: chosen });
  const choose = h('button', { type: 'button', class: 'link', onclick: () => file.click() }, t.choosePicture);
  const remove = h('button', { type: 'button', class: 'link', onclick: () => change(() => api.removeAvatar()) }, t.removePicture);

  function draw() {
    face.replaceChildren(avatar(chat.user));
    show(remove, Boolean(chat.user.profilePic?.startsWith('/api/users/avatar/')));
  }

  async function change(request) {
    choose.disabled = remove.disabled = true;
    show(problem, false);
    say(done, '');
    try {
      chat.learn(await chat.session.attempt(request));
      say(done, t.changed);
    } catch (error) {
      say(problem, error.message);
      show(problem, true);
    }
    choose.disabled = remove.disabled = false;
    draw();
    if (isFree(remove.hidden && remove)) choose.focus();
  }

  function chosen() {
    const [picked] = file.files;
    file.value = '';
    if (picked) change(async () => api.setAvatar(await pictureOf(picked)));
  }

  draw();
  return h('div', { class: 'picture' }, face, h('div', {}, choose, remove, file, done), problem);
}

function profileForm(chat) {
  const { user } = chat;
  return form({
    action: t.save, first: 'fullName', send: async ({ fullName, gender }) => {
      const fields = { ...(fullName !== user.fullName && { fullName }), ...(gender && gender !== user.gender && { gender }) };
      if (Object.keys(fields).length > 0) {
        chat.learn(await chat.session.attempt(() => api.change(fields)));
        if (fields.gender) user.gender = fields.gender;
      }
      return t.changed;
    },
  }, field(t.fullName, { name: 'fullName', autocomplete: 'name', value: user.fullName }), genderField({ chosen: user.gender, isRequired: false }));
}

function passwordForm(chat) {
  return form({
    action: t.changePassword, first: 'password', send: async (values, element) => {
      if (values.newPassword !== values.confirmPassword) throw Object.assign(new Error(t.passwordsDiffer), { field: 'confirmPassword' });
      await withPassword(() => chat.session.attempt(() => api.changePassword(values)));
      element.reset();
      return t.passwordDone;
    },
  },
  // For password managers, which ask whose it is.
  h('input', { name: 'username', autocomplete: 'username', value: chat.user.username, hidden: true, readonly: true }),
  field(t.passwordNow, { name: 'password', type: 'password', autocomplete: 'current-password' }),
  field(t.passwordNew, { name: 'newPassword', type: 'password', autocomplete: 'new-password' }, t.passwordHint),
  field(t.passwordAgain, { name: 'confirmPassword', type: 'password', autocomplete: 'new-password' }));
}

function sessionsPart(chat) {
  const list = h('ul', { class: 'plain-list' });
  const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  const heading = h('summary', {}, t.sessions);

  async function run(request) {
    show(problem, false);
    try {
      await request?.();
      const sessions = await chat.session.attempt(() => api.sessions());
      const isOurs = list.contains(document.activeElement) || isFree();
      draw(sessions);
      if (request && isOurs) heading.focus();
    } catch (error) {
      say(problem, error.message);
      show(problem, true);
    }
  }

  function draw(sessions) {
    list.replaceChildren(...sessions.map(({ _id, createdAt, current }) => {
      const when = fullTimeOf(createdAt);
      const end = h('button', {
        type: 'button', class: 'link', 'aria-label': t.endSessionSince(when), onclick: () => run(() => chat.session.attempt(() => api.endSession(_id))),
      }, t.endSession);
      return h('li', {}, h('span', { class: 'who' }, t.sessionSince(when)), current ? h('span', { class: 'hint' }, t.sessionHere) : end);
    }));
  }

  return h('details', { class: 'part', ontoggle: ({ target }) => { if (target.open) run(); } }, heading, list, problem);
}

function endForm(chat) {
  return form({
    action: t.deleteAccountSure, isDanger: true, first: 'password', send: async ({ password }) => {
      await withPassword(() => chat.session.attempt(() => api.remove(password)));
      chat.session.leave(t.accountDeleted);
      forgetAll(chat.user._id); // also what was kept on leaving
    },
  }, h('p', { class: 'warning' }, t.deleteAccountText), field(t.password, { name: 'password', type: 'password', autocomplete: 'current-password' }));
}

export async function open(chat) {
  if (!chat.user.gender) await chat.loadSettings().catch(() => {}); // then neither is chosen, and stays as it is
  if (chat.isOver || document.querySelector('dialog')) return undefined;
  return openDialog({ title: t.profile },
    picturePart(chat), profileForm(chat),
    folded(t.changePassword, passwordForm(chat)),
    sessionsPart(chat),
    blockedList(chat),
    part(t.yourData, h('p', { class: 'hint' }, t.exportHint), h('a', { class: 'link button', href: api.exportPath, download: 'parley-export.json' }, t.export)),
    folded(t.deleteAccount, endForm(chat)));
}
