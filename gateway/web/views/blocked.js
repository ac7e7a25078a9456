// The people whom one has blocked, with the way back for each.
import { t } from '../strings_dialogs.js';
import { avatar, h, say, show } from './dom.js';

export function blockedList(chat) {
  const list = h('ul', { class: 'plain-list' });
  const none = h('p', { class: 'hint' }, t.loading);
  const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  const heading = h('h3', { tabindex: '-1' }, t.blockedPeople);

  function draw() {
    const { people } = chat.blocks;
    list.replaceChildren(...people.map((person) => h('li', {}, avatar(person), h('span', { class: 'who', dir: 'auto' }, person.fullName),
      h('button', { type: 'button', class: 'link', 'aria-label': t.unblockWho(person.fullName), onclick: () => unblock(person) }, t.unblock))));
    say(none, t.blockedNone);
    show(none, people.length === 0);
    show(list, people.length > 0);
  }

  async function unblock(person) {
    show(problem, false);
    try {
      await chat.blocks.set(person, false);
      draw();
      (list.querySelector('button') ?? heading).focus();
    } catch (error) {
      say(problem, error.message);
      show(problem, true);
    }
  }

  chat.blocks.load().then(() => {
    if (chat.blocks.isKnown) { draw(); return; }
    say(problem, t.blockedFailed);
    show(problem, true);
    show(none, false);
  });
  return h('section', { class: 'part' }, heading, list, none, problem);
}
