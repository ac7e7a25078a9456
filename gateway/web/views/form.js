// Forms: fields with their labels, and a form that says what became of it.
import { t } from '../strings_dialogs.js';
import { h, isFree } from './dom.js';

let serial = 0;

export function field(label, attributes, hint) {
  const id = `field-${++serial}`;
  const hintId = hint ? `${id}-hint` : undefined;
  return h('div', { class: 'field' },
    h('label', { for: id }, label),
    h('input', { id, required: true, 'aria-describedby': hintId, ...attributes }),
    hint ? h('p', { class: 'hint', id: hintId }, hint) : null);
}

export function genderField({ chosen, isRequired = true } = {}) {
  const choice = (value, label) => h('label', { class: 'choice' },
    h('input', { type: 'radio', name: 'gender', value, required: isRequired, checked: value === chosen }), label);
  return h('fieldset', { class: 'field' }, h('legend', {}, t.gender), choice('female', t.female), choice('male', t.male));
}

/**
 * send(values) gives what to say once it is done; it rejects with a Problem, which is said, and the
 * field that it names gets the focus, or else `first`, unless somebody went on meanwhile.
 */
export function form({ action, isDanger, first, send }, ...children) {
  const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  const done = h('p', { class: 'hint', role: 'status' });
  const submit = h('button', { type: 'submit', class: isDanger ? 'danger' : 'primary' }, action);

  function fail(error, pressed) {
    problem.textContent = error.message;
    problem.hidden = false;
    const named = element.elements[error.field];
    const input = named?.focus ? named : element.elements[first];
    input.setAttribute('aria-invalid', 'true');
    if (!isFree(pressed)) return;
    input.focus();
    input.select();
  }

  async function submitted(event) {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(element));
    const pressed = document.activeElement;
    submit.disabled = true;
    problem.hidden = true;
    done.textContent = '';
    for (const input of element.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
    try {
      done.textContent = (await send(values, element)) ?? '';
    } catch (error) {
      fail(error, pressed);
    } finally {
      submit.disabled = false;
    }
  }

  const element = h('form', { class: 'form', onsubmit: submitted }, ...children, problem, h('div', { class: 'actions' }, done, submit));
  return element;
}
