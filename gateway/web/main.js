// Parley's page: who is signed out sees one form; who is signed in, their conversations.
import * as api from './core/api.js';
import { Chat } from './chat.js';
import { endAmbiguous } from './session.js';
import { tellOtherTabs } from './storage.js';
import { h } from './views/dom.js';
import { direction, language, t } from './strings.js';

const app = document.getElementById('app');
const delayMost = 15000;

document.documentElement.lang = language;
document.documentElement.dir = direction;

let chat;

function end() {
  chat?.close();
  chat = undefined;
}

/** Who is logged in needs no form: it is loaded for who is not. */
async function showSignIn(notice) {
  end();
  document.title = t.app;
  let signInView;
  try {
    ({ signInView } = await import('./views/sign_in.js'));
  } catch {
    showWaiting({ message: t.unreachable }, () => location.reload());
    return;
  }
  app.replaceChildren(signInView({ notice, onDone: (user) => { tellOtherTabs(user._id); showChat(user); chat.focus(); } }));
  app.querySelector('input')?.focus();
}

function showChat(user, notice) {
  end();
  chat = new Chat(user, {
    notice, leave: showSignIn, changeTo: (other) => {
      history.replaceState(null, '', '#/');
      showChat(other, t.otherAccount(other.fullName));
    },
  });
  app.replaceChildren(chat.element);
  chat.start();
}

/** Until it is known who is there nothing is claimed: neither a form, nor a chat. */
function showWaiting(problem, retry) {
  const button = h('button', { type: 'button', class: 'primary', onclick: retry }, t.retry);
  app.replaceChildren(h('main', { class: 'sign-in' }, h('div', { class: 'card waiting' },
    h('h1', {}, problem ? t.noStart : t.starting),
    ...(problem ? [h('p', { role: 'alert' }, problem.message), h('p', { class: 'hint' }, t.noStartHint), button] : []))));
  if (problem) button.focus();
}

async function start(delay = 1000) {
  try {
    showChat(await api.me());
  } catch (problem) {
    if (problem.status === 401) {
      await endAmbiguous(problem);
      showSignIn();
      return;
    }
    let isOver = false;
    const retry = (next) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      removeEventListener('online', now);
      start(next);
    };
    const now = () => retry(1000);
    const timer = setTimeout(() => retry(Math.min(delayMost, delay * 2)), delay);
    addEventListener('online', now);
    showWaiting(problem, now);
  }
}

start();
