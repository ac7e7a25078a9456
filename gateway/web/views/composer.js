// The field to write in. At Enter the text leaves it, at once.
import { bytesOf } from '../core/text.js';
import { t } from '../strings.js';
import { h, isTouch } from './dom.js';

const typingEvery = 3000; // the server ends it after 6 s
const bytesMost = 65536;

export class Composer {
  #toldTyping = 0;
  #timer = 0;
  id = null;

  constructor({ drafts, onSend, onTyping, onProblem, onDraft }) {
    Object.assign(this, { drafts, onSend, onTyping, onProblem, onDraft });
    this.text = h('textarea', {
      rows: '1', placeholder: t.write, 'aria-label': t.message, enterkeyhint: 'send', dir: 'auto',
      oninput: () => this.#wrote(), onkeydown: (event) => this.#key(event),
    });
    this.element = h('form', { class: 'write', onsubmit: (event) => { event.preventDefault(); this.#submit(); } },
      this.text, h('button', { class: 'primary', type: 'submit' }, t.send));
  }

  begin(id) {
    this.keep();
    this.id = id;
    this.text.value = this.drafts.of(id);
    this.#toldTyping = 0;
    this.#fit();
  }

  /** Keep what is in the field as the conversation's draft. */
  keep() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.id) this.drafts.set(this.id, this.text.value);
  }

  focus() { if (!isTouch.matches) this.text.focus(); }

  #key(event) {
    // While an input method composes, Enter is its own: some browsers say so by 229 alone.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#submit();
  }

  #fit() {
    this.text.style.height = 'auto';
    this.text.style.height = `${Math.min(this.text.scrollHeight + 2, 160)}px`;
  }

  #wrote() {
    this.#fit();
    this.onProblem('');
    this.#timer ||= setTimeout(() => { this.keep(); this.onDraft(); }, 300);
    if (this.text.value && Date.now() - this.#toldTyping > typingEvery) {
      this.#toldTyping = Date.now();
      this.onTyping();
    }
  }

  #submit() {
    const text = this.text.value;
    if (!text.trim()) return;
    const over = bytesOf(text) - bytesMost;
    if (over > 0) {
      this.onProblem(t.tooLong(over));
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
