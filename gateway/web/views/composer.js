// The field to write in. At Enter the text leaves it, at once.
import { bytesOf } from '../core/text.js';
import { t } from '../strings.js';
import { h, isTouch, say, show } from './dom.js';

const typingEvery = 3000; // the server ends it after 6 s
const bytesMost = 65536;

export class Composer {
  #toldTyping = 0;
  #timer = 0;
  #edits = new Map(); // id of a conversation -> {target, text} that is being edited in it
  id = null;

  constructor({ drafts, onSend, onEdit, onEditLast, onTyping, onProblem, onDraft }) {
    Object.assign(this, { drafts, onSend, onEdit, onEditLast, onTyping, onProblem, onDraft });
    this.text = h('textarea', {
      rows: '1', placeholder: t.write, 'aria-label': t.message, enterkeyhint: 'send', dir: 'auto',
      oninput: () => this.#wrote(), onkeydown: (event) => this.#key(event),
    });
    this.button = h('button', { class: 'primary', type: 'submit' }, t.send);
    this.what = h('div', { class: 'editing', hidden: true },
      h('span', { id: 'editing', role: 'status' }, t.editing), h('button', { type: 'button', class: 'link', onclick: () => this.endEdit(true) }, t.cancel));
    this.element = h('form', { class: 'write', onsubmit: (event) => { event.preventDefault(); this.#submit(); } }, this.what, this.text, this.button);
  }

  begin(id) {
    this.keep();
    this.id = id;
    this.#toldTyping = 0;
    this.#begin();
  }

  /** What is being edited here; the draft waits meanwhile. */
  get editing() { return this.#edits.get(this.id); }

  #begin() {
    this.text.value = this.editing?.text ?? this.drafts.of(this.id);
    show(this.what, Boolean(this.editing));
    this.text.toggleAttribute('aria-describedby', Boolean(this.editing));
    if (this.editing) this.text.setAttribute('aria-describedby', 'editing');
    say(this.button, this.editing ? t.save : t.send);
    this.#fit();
  }

  edit(target, text) {
    this.keep();
    this.#edits.set(this.id, { target, text, before: text });
    this.onProblem('');
    this.#begin();
    this.text.focus();
    this.text.setSelectionRange(text.length, text.length);
  }

  endEdit(isFocused) {
    this.#edits.delete(this.id);
    this.onProblem('');
    this.#begin();
    if (isFocused) this.text.focus();
  }

  /** Keep what is in the field as the conversation's draft. */
  keep() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.editing) this.editing.text = this.text.value;
    else if (this.id) this.drafts.set(this.id, this.text.value);
  }

  focus() { if (!isTouch.matches) this.text.focus(); }

  #key(event) {
    // While an input method composes, keys are its own: some browsers say so by 229 alone.
    if (event.shiftKey || event.isComposing || event.keyCode === 229) return;
    if (event.key === 'Enter') this.#submit();
    else if (event.key === 'Escape' && this.editing) this.endEdit();
    else if (event.key !== 'ArrowUp' || this.editing || this.text.value || !this.onEditLast()) return;
    event.preventDefault();
  }

  #fit() {
    this.text.style.height = 'auto';
    this.text.style.height = `${Math.min(this.text.scrollHeight + 2, 160)}px`;
  }

  #wrote() {
    this.#fit();
    this.onProblem('');
    this.#timer ||= setTimeout(() => { this.keep(); this.onDraft(); }, 300);
    if (this.text.value && !this.editing && Date.now() - this.#toldTyping > typingEvery) {
      this.#toldTyping = Date.now();
      this.onTyping();
    }
  }

  #submit() {
    const text = this.text.value;
    if (!text.trim()) {
      if (this.editing) this.onProblem(t.editEmpty);
      return;
    }
    const over = bytesOf(text) - bytesMost;
    if (over > 0) {
      this.onProblem(t.tooLong(over));
      this.text.focus();
      return;
    }
    if (this.editing) {
      const { target, before } = this.editing;
      this.endEdit();
      if (text !== before) this.onEdit(target, this.id, text);
      this.text.focus();
      return;
    }
    this.text.value = '';
    this.keep();
    this.#toldTyping = 0;
    this.#fit();
    this.onProblem('');
    this.onSend(text);
    this.text.focus();
  }
}
