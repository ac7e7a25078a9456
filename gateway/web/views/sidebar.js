// The left side: oneself with status and note, the search, and everybody: conversations first,
// the latest on top.
import { shortTimeOf } from '../core/days.js';
import { t } from '../strings.js';
import { avatar, faceOf, h, isTouch, presenceOf, say, show } from './dom.js';
import { WindowList } from './window_list.js';

const noteMost = 280;

/** One line of a text, for a preview. */
const lineOf = (text) => text.slice(0, 200).replace(/^```.*$/gm, ' ').replace(/\s+/g, ' ').trim() || '…';

export class Sidebar {
  constructor({ user, on, stateOf, signal }) {
    Object.assign(this, { user, on, stateOf });
    this.buttons = ['AVAILABLE', 'BUSY'].map((status) => h('button', {
      type: 'button', class: 'segment', 'data-status': status, onclick: () => this.#choose(status),
    }, status === 'BUSY' ? t.busy : t.available));
    this.note = h('input', {
      class: 'note', maxlength: String(noteMost), placeholder: t.noteHint, 'aria-label': t.note, dir: 'auto',
      onchange: () => this.#saveNote(), onkeydown: (event) => this.#noteKey(event), oninput: () => say(this.noteState, ''),
    });
    this.noteState = h('span', { class: 'hint saved', role: 'status' });
    this.noteRow = h('div', { class: 'note-row', hidden: true }, this.note, this.noteState);
    this.search = h('input', {
      type: 'search', class: 'search', placeholder: t.find, 'aria-label': t.find, autocomplete: 'off',
      oninput: () => on.search(this.search.value), onkeydown: (event) => this.#searchKey(event),
    });
    this.rows = new WindowList({ makeRow: (key) => this.#makeRow(key), onMove: on.move, onEnd: on.end, signal });
    this.rows.onTop = () => this.search.focus();
    this.problem = h('div', { class: 'problem', role: 'alert', hidden: true });
    this.empty = h('p', { class: 'hint empty', role: 'status' });
    this.face = h('span', { class: 'portrait' });
    this.name = h('strong', { dir: 'auto' });
    this.element = h('nav', { class: 'people', 'aria-label': t.people, onpointermove: on.look, onfocusin: on.look },
      h('header', { class: 'me' },
        h('button', { type: 'button', class: 'me-button', title: t.profile, onclick: on.profile }, this.face, h('span', { class: 'unseen' }, t.profile),
          h('span', { class: 'me-name' }, this.name, h('span', { class: 'hint', dir: 'auto' }, user.username))),
        h('button', { type: 'button', class: 'icon', 'aria-label': t.settings, title: t.settings, onclick: on.settings }, gear()),
        h('button', { type: 'button', class: 'link', onclick: on.logOut }, t.logOut)),
      h('div', { class: 'segments', role: 'group', 'aria-label': t.yourStatus }, this.buttons),
      this.noteRow, this.search, this.problem, this.empty, this.rows.element);
  }

  #meant; // {status, statusNote}: what was asked for last, until it is known what became of it
  #unsaved; // a note that could not be saved

  get #own() { return this.#meant ?? this.user; }

  /** Undefined if something else is meant by now. */
  async #tell(status, statusNote) {
    const meant = this.#meant = { status, statusNote };
    this.#unsaved = undefined;
    const isTold = await this.on.status(status, statusNote);
    if (this.#meant !== meant) return undefined;
    this.#meant = undefined;
    return isTold;
  }

  async #choose(status) {
    if (status === this.#own.status) return;
    this.note.value = '';
    const focused = document.activeElement;
    if (!await this.#tell(status, '') || status !== 'BUSY' || isTouch.matches || document.activeElement !== focused) return;
    show(this.noteRow, true);
    this.note.focus();
  }

  async #saveNote() {
    const note = this.note.value.trim();
    this.#unsaved = undefined;
    if (this.#own.status !== 'BUSY' || note === (this.#own.statusNote ?? '')) return;
    const isTold = await this.#tell('BUSY', note);
    if (isTold) say(this.noteState, t.noteSaved);
    else if (isTold === false) this.#unsaved = note;
  }

  #noteKey(event) {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === 'Enter') this.#saveNote();
    if (event.key === 'Escape') { this.note.value = this.user.statusNote ?? ''; this.#unsaved = undefined; event.stopPropagation(); }
  }

  #searchKey(event) {
    if (event.isComposing || event.keyCode === 229) return;
    const first = this.rows.keys[0];
    if (event.key === 'ArrowDown' && this.rows.focus()) event.preventDefault();
    if (event.key === 'Enter' && this.search.value.trim() && first) {
      event.preventDefault(); // it would be a line in the field that has the focus by then
      this.on.open(first);
    }
    if (event.key === 'Escape') {
      event.stopPropagation();
      if (this.search.value) { this.search.value = ''; this.on.search(''); } else this.search.blur();
    }
  }

  /** keys: whom to show, in order; empty: what to say if that is nobody. */
  draw({ keys, empty, problem }) {
    for (const button of this.buttons) button.setAttribute('aria-pressed', String(button.dataset.status === this.user.status));
    const isBusy = this.user.status === 'BUSY';
    if (isBusy && document.activeElement !== this.note) this.note.value = this.#unsaved ?? this.#own.statusNote ?? '';
    if (!isBusy) { say(this.noteState, ''); this.#unsaved = undefined; }
    show(this.noteRow, isBusy);
    if (this.#face !== faceOf(this.user)) this.face.replaceChildren(avatar(this.user));
    this.#face = faceOf(this.user);
    say(this.name, this.user.fullName);
    this.#drawProblem(problem);
    say(this.empty, empty ?? '');
    show(this.empty, Boolean(empty));
    this.rows.set(keys);
  }

  #face;

  #drawProblem(problem) {
    if ((problem?.text ?? '') !== (this.problem.firstElementChild?.textContent ?? '')) {
      this.problem.replaceChildren(...(problem ? [h('span', {}, problem.text), ' ', h('button', { type: 'button', class: 'link', onclick: () => this.retry() }, t.retry)] : []));
    }
    this.retry = problem?.retry;
    show(this.problem, Boolean(problem));
  }

  #makeRow(id) {
    const state = h('span', { class: 'unseen' });
    const dot = h('span', { class: 'dot', 'aria-hidden': 'true' });
    const portrait = h('span', { class: 'portrait' });
    const name = h('span');
    const username = h('bdi', { class: 'hint' });
    const time = h('time', { class: 'hint' });
    const preview = h('span', { class: 'hint preview', dir: 'auto' });
    const number = h('span', {});
    const unreadWord = h('span', { class: 'unseen' });
    const unread = h('span', { class: 'unread', hidden: true }, number, unreadWord);
    const button = h('button', { type: 'button', class: 'row', 'data-person': id, onclick: () => this.on.open(id) },
      portrait, h('span', { class: 'row-name' }, h('span', { class: 'line' }, h('strong', { dir: 'auto' }, name, username), state, time), h('span', { class: 'line' }, preview, unread)));
    let drawn;
    let face;
    const update = () => {
      const { person, isNamesake, conversation, outgoing, draft, isOpen } = this.stateOf(id);
      const at = outgoing ? new Date(outgoing.at).toISOString() : conversation.lastMessage?.createdAt;
      const words = presenceOf(person, t);
      const text = this.#previewOf({ conversation, outgoing, draft: isOpen ? '' : draft });
      const shown = JSON.stringify([faceOf(person), isNamesake, person.online, person.status, at && shortTimeOf(at, t), text, conversation.unread, isOpen]);
      if (shown === drawn) return;
      drawn = shown;
      if (face !== faceOf(person)) portrait.replaceChildren(avatar(person), dot);
      face = faceOf(person);
      say(name, person.fullName);
      say(username, isNamesake ? ` ${person.username}` : '');
      say(state, text ? words : '');
      say(preview, text || words);
      preview.classList.toggle('is-draft', outgoing ? outgoing.state === 'failed' : Boolean(draft && !isOpen));
      show(time, Boolean(at));
      if (at) { time.dateTime = at; say(time, shortTimeOf(at, t)); }
      portrait.className = `portrait is-${person.online === false ? 'offline' : 'online'}`;
      dot.className = `dot ${person.status === 'BUSY' ? 'busy' : person.online ? 'online' : 'offline'}`;
      show(dot, person.online !== undefined || person.status === 'BUSY');
      show(unread, conversation.unread > 0);
      button.classList.toggle('is-unread', conversation.unread > 0);
      say(number, conversation.unread >= 100 ? '100+' : conversation.unread > 0 ? String(conversation.unread) : '');
      say(unreadWord, conversation.unread > 0 ? t.unread : '');
      if (isOpen) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
    };
    return { button, update };
  }

  #previewOf({ conversation: { lastMessage }, outgoing, draft }) {
    if (outgoing) return outgoing.state === 'failed' ? `${t.notSent}: ${lineOf(outgoing.text)}` : t.you(lineOf(outgoing.text));
    if (draft) return t.draft(lineOf(draft));
    if (!lastMessage) return '';
    if (lastMessage.deletedAt) return t.deletedMessage;
    const text = lineOf(lastMessage.message);
    return lastMessage.senderId === this.user._id ? t.you(text) : text;
  }
}

function gear() {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', 'M4 7h9m5 0h2M4 17h2m5 0h9M15.5 4.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zm-7 10a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5z');
  svg.append(path);
  return svg;
}
