// The form of someone who is signed out: log in, or sign up.
import * as api from '../core/api.js';
import { t } from '../strings.js';
import { h } from './dom.js';

function field(label, attributes, hint) {
  const id = `field-${attributes.name}`;
  const hintId = hint ? `${id}-hint` : undefined;
  return h('div', { class: 'field' },
    h('label', { for: id }, label),
    h('input', { id, required: true, 'aria-describedby': hintId, ...attributes }),
    hint ? h('p', { class: 'hint', id: hintId }, hint) : null);
}

function genderField() {
  const choice = (value, label) => h('label', { class: 'choice' },
    h('input', { type: 'radio', name: 'gender', value, required: true }), label);
  return h('fieldset', { class: 'field' }, h('legend', {}, t.gender), choice('female', t.female), choice('male', t.male));
}

const logInFields = () => [
  field(t.username, { name: 'username', autocomplete: 'username', autocapitalize: 'none' }),
  field(t.password, { name: 'password', type: 'password', autocomplete: 'current-password' }),
];

const signUpFields = () => [
  field(t.fullName, { name: 'fullName', autocomplete: 'name' }),
  field(t.username, { name: 'username', autocomplete: 'username', autocapitalize: 'none' }),
  field(t.password, { name: 'password', type: 'password', autocomplete: 'new-password' }, t.passwordHint),
  field(t.passwordAgain, { name: 'confirmPassword', type: 'password', autocomplete: 'new-password' }),
  genderField(),
];

/** onDone(user) once someone is in. */
export function signInView({ notice, onDone }) {
  let isSignUp = false;
  const fields = h('div');
  const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  const submit = h('button', { class: 'primary', type: 'submit' });
  const other = h('button', { class: 'link', type: 'button', onclick: () => { isSignUp = !isSignUp; draw(); fields.querySelector('input').focus(); } });
  const title = h('h1');
  const form = h('form', { onsubmit: send }, h('header', {}, title, h('p', { class: 'hint' }, t.welcomeHint)),
    notice ? h('p', { class: 'notice', role: 'status' }, notice) : null, fields, problem, submit, other);

  function draw() {
    title.textContent = isSignUp ? t.createTitle : t.welcome;
    submit.textContent = isSignUp ? t.signUp : t.logIn;
    other.textContent = isSignUp ? t.toLogIn : t.toSignUp;
    problem.hidden = true;
    fields.replaceChildren(...(isSignUp ? signUpFields() : logInFields()));
  }

  function show({ message, field: name }) {
    problem.textContent = message;
    problem.hidden = false;
    // To where it can be mended.
    const input = form.elements[name]?.focus ? form.elements[name] : form.elements[isSignUp ? 'username' : 'password'];
    input.setAttribute('aria-invalid', 'true');
    input.focus();
    input.select();
  }

  async function send(event) {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(form));
    submit.disabled = true;
    problem.hidden = true;
    for (const input of fields.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
    try {
      onDone(await (isSignUp ? api.signUp(values) : api.logIn(values)));
    } catch (error) {
      show(error);
    } finally {
      submit.disabled = false;
    }
  }

  draw();
  return h('main', { class: 'sign-in' }, h('div', { class: 'card' }, h('img', { src: document.querySelector('link[rel=icon]').href, alt: '', width: '48', height: '48' }), form));
}
