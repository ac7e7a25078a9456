// The left side: oneself with status and log-out, and everybody else.
import { avatar, h } from './dom.js';

const word = (person, isOnline) => {
  if (person.status === 'BUSY') return isOnline ? 'Busy' : 'Busy, offline';
  return isOnline ? 'Online' : 'Offline';
};

export class People {
  constructor(user, { onOpen, onStatus, onLogOut }) {
    this.onOpen = onOpen;
    this.search = h('input', { type: 'search', class: 'search', placeholder: 'Find someone', 'aria-label': 'Find someone', oninput: () => this.redraw?.() });
    this.rows = h('ul', { class: 'rows' });
    this.empty = h('p', { class: 'hint empty', hidden: true });
    this.problem = h('p', { class: 'problem', role: 'alert', hidden: true });
    this.buttons = ['AVAILABLE', 'BUSY'].map((status) => h('button', {
      type: 'button', class: 'segment', 'data-status': status, onclick: () => this.change(onStatus, status),
    }, status === 'BUSY' ? 'Busy' : 'Available'));
    this.note = h('input', {
      class: 'note', maxlength: '280', placeholder: 'Why? (optional, e.g. “in a meeting until three”)', 'aria-label': 'Why you are busy; automatic replies may mention it',
      hidden: true, onchange: () => this.change(onStatus, 'BUSY'),
    });
    this.element = h('nav', { class: 'people', 'aria-label': 'People' },
      h('header', { class: 'me' }, avatar(user),
        h('div', { class: 'me-name' }, h('strong', {}, user.fullName), h('span', { class: 'hint' }, user.username)),
        h('button', { type: 'button', class: 'link', onclick: onLogOut }, 'Log out')),
      h('div', { class: 'segments', role: 'group', 'aria-label': 'Your status' }, this.buttons),
      this.note, this.problem, this.search, this.rows, this.empty);
  }

  async change(onStatus, status) {
    this.problem.hidden = true;
    try {
      await onStatus(status, status === 'BUSY' ? this.note.value.trim() : '');
    } catch (error) {
      this.problem.textContent = error.message;
      this.problem.hidden = false;
    }
  }

  draw(people, online, openId, me) {
    this.redraw = () => this.draw(people, online, openId, me);
    for (const button of this.buttons) {
      button.setAttribute('aria-pressed', String(button.dataset.status === me.status));
    }
    this.note.hidden = me.status !== 'BUSY';
    const wanted = this.search.value.trim().toLocaleLowerCase();
    const shown = people
      .filter((person) => !wanted || `${person.fullName} ${person.username}`.toLocaleLowerCase().includes(wanted))
      .sort((a, b) => online.has(b._id) - online.has(a._id) || a.fullName.localeCompare(b.fullName));
    const focused = document.activeElement?.dataset?.person;
    this.rows.replaceChildren(...shown.map((person) => this.row(person, online.has(person._id), openId)));
    if (focused) this.rows.querySelector(`[data-person="${focused}"]`)?.focus();
    this.empty.hidden = shown.length > 0;
    this.empty.textContent = people.length === 0 ? 'Nobody else is here yet. Invite someone!' : 'Nobody by that name.';
  }

  row(person, isOnline, openId) {
    const dot = person.status === 'BUSY' ? 'busy' : isOnline ? 'online' : 'offline';
    return h('li', {}, h('button', {
      type: 'button', class: 'row', 'data-person': person._id, 'aria-current': person._id === openId ? 'true' : undefined,
      onclick: () => this.onOpen(person._id),
    },
    h('span', { class: `portrait is-${isOnline ? 'online' : 'offline'}` }, avatar(person), h('span', { class: `dot ${dot}`, 'aria-hidden': 'true' })),
    h('span', { class: 'row-name' }, h('strong', {}, person.fullName), h('span', { class: 'hint' }, word(person, isOnline))),
    person.unread > 0 ? h('span', { class: 'unread' }, String(person.unread), h('span', { class: 'unseen' }, ' unread')) : null));
  }
}
