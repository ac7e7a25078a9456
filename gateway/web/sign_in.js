// The form of someone who is signed out: log in, or sign up.
import * as api from './api.js';
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
  return h('fieldset', { class: 'field' }, h('legend', {}, 'Gender'), choice('female', 'Female'), choice('male', 'Male'));
}

const logInFields = () => [
  field('Username', { name: 'username', autocomplete: 'username', autocapitalize: 'none' }),
  field('Password', { name: 'password', type: 'password', autocomplete: 'current-password' }),
];

const signUpFields = () => [
  field('Full name', { name: 'fullName', autocomplete: 'name' }),
  field('Username', { name: 'username', autocomplete: 'username', autocapitalize: 'none' }),
  field('Password', { name: 'password', type: 'password', autocomplete: 'new-password' }, 'At least 8 characters; a sentence is easy to remember.'),
  field('Password, once more', { name: 'confirmPassword', type: 'password', autocomplete: 'new-password' }),
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
  const form = h('form', { onsubmit: send }, title,
    notice ? h('p', { class: 'notice', role: 'status' }, notice) : null, fields, problem, submit, other);

  function draw() {
    title.textContent = isSignUp ? 'Create your account' : 'Welcome to Parley';
    submit.textContent = isSignUp ? 'Sign up' : 'Log in';
    other.textContent = isSignUp ? 'I have an account: log in' : 'New here? Create an account';
    problem.hidden = true;
    fields.replaceChildren(...(isSignUp ? signUpFields() : logInFields()));
  }

  function show(text) {
    problem.textContent = text;
    problem.hidden = false;
  }

  async function send(event) {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(form));
    submit.disabled = true;
    problem.hidden = true;
    try {
      onDone(await (isSignUp ? api.signUp(values) : api.logIn(values)));
    } catch (error) {
      show(error.message);
    } finally {
      submit.disabled = false;
    }
  }

  draw();
  return h('main', { class: 'sign-in' }, h('div', { class: 'card' }, form));
}
