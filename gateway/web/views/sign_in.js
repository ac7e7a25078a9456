// The form of someone who is signed out: log in, or sign up.
import { logIn, signUp } from '../core/account.js';
import { t } from '../strings_dialogs.js';
import { h, isFree } from './dom.js';
import { field, genderField } from './form.js';

const logInFields = () => [
  field(t.username, { name: 'username', autocomplete: 'username', autocapitalize: 'none' }),
  field(t.password, { name: 'password', type: 'password', autocomplete: 'current-password' }),
];

const inviteField = () => field(t.invite, { name: 'invite', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false' }, t.inviteHint);

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
  let turns = 0; // from one form to the other: what the other one was answered is not for this one
  const fields = h('div');
  const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  const submit = h('button', { class: 'primary', type: 'submit' });
  const other = h('button', { class: 'link', type: 'button', onclick: () => { isSignUp = !isSignUp; draw(); fields.querySelector('input').focus(); } });
  const title = h('h1');
  const form = h('form', { onsubmit: send }, h('header', {}, title, h('p', { class: 'hint' }, t.welcomeHint)),
    notice ? h('p', { class: 'notice', role: 'status' }, notice) : null, fields, problem, submit, other);

  function draw() {
    turns++;
    submit.disabled = false;
    title.textContent = isSignUp ? t.createTitle : t.welcome;
    submit.textContent = isSignUp ? t.signUp : t.logIn;
    other.textContent = isSignUp ? t.toLogIn : t.toSignUp;
    problem.hidden = true;
    submit.hidden = false;
    fields.hidden = false;
    fields.replaceChildren(...(isSignUp ? signUpFields() : logInFields()));
  }

  function show({ message, code, field: name }, pressed) {
    const hadInvite = Boolean(form.elements.invite);
    if (code === 'INVITE_NEEDED' && !hadInvite) fields.prepend(inviteField());
    if (code === 'INVITE_NEEDED' || name === 'invite') { message = hadInvite ? t.inviteBad : t.inviteNeeded; name = 'invite'; }
    problem.textContent = message;
    problem.hidden = false;
    if (code === 'SIGNUP_CLOSED') { // what is filled in cannot be used
      fields.hidden = true;
      submit.hidden = true;
      other.focus();
      return;
    }
    // To where it can be mended.
    const input = form.elements[name]?.focus ? form.elements[name] : form.elements[isSignUp ? 'username' : 'password'];
    input.setAttribute('aria-invalid', 'true');
    if (!isFree(pressed)) return;
    input.focus();
    input.select();
  }

  async function send(event) {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(form));
    const pressed = document.activeElement;
    const turn = turns;
    submit.disabled = true;
    problem.hidden = true;
    for (const input of fields.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
    try {
      onDone(await (isSignUp ? signUp(values) : logIn(values)));
    } catch (error) {
      if (turn === turns) show(error, pressed);
    } finally {
      if (turn === turns) submit.disabled = false;
    }
  }

  draw();
  return h('main', { class: 'sign-in' }, h('div', { class: 'card' }, h('img', { src: document.querySelector('link[rel=icon]').href, alt: '', width: '48', height: '48' }), form));
}
