// The people whom one has blocked, with the way back for each.
import { t } from '../strings_dialogs.js';
import { avatar, h, isFree, place, say, show } from './dom.js';

export function blockedList(chat) {
  const list = h('ul', { class: 'plain-list' });
  const none = h('p', { class: 'hint' }, t.loading);
  const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  const heading = h('h3', { tabindex: '-1' }, t.blockedPeople);

  const rows = new Map(); // by their ids, so that a button keeps the focus while others go

  const rowOf = (person) => h('li', {}, avatar(person), h('span', { class: 'who', dir: 'auto' }, person.fullName),
    h('button', { type: 'button', class: 'link', 'aria-label': t.unblockWho(person.fullName), onclick: ({ target }) => unblock(person, target) }, t.unblock));

  function draw() {
    const { people } = chat.blocks;
    for (const person of people) if (!rows.has(person._id)) rows.set(person._id, rowOf(person));
    place(list, people.map((person) => rows.get(person._id)));
    say(none, t.blockedNone);
    show(none, people.length === 0);
    show(list, people.length > 0);
  }

  async function unblock(person, button) {
    show(problem, false);
    try {
      await chat.blocks.set(person, false);
      const isOurs = isFree(button);
      draw();
      if (isOurs) (list.querySelector('button') ?? heading).focus();
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
