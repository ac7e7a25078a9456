// What is to be read anew is, whatever else of the list is being read.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Again } from '../../gateway/web/core/again.js';
import { Lists } from '../../gateway/web/lists.js';
import { me, settle } from './helpers.mjs';

const { fetch } = globalThis;
afterEach(() => { globalThis.fetch = fetch; });

const first = '/api/conversations?limit=30';

/** Lists of a chat whose list is always near its end, and a server that answers when it is told to. */
function makeLists() {
  const asked = [];
  globalThis.fetch = (path) => new Promise((resolve) => {
    const answer = async (next) => {
      resolve(Response.json([], next && { headers: { Link: `<${next}>; rel="next"` } }));
      for (let i = 0; i < 4; i++) await settle();
    };
    asked.push({ path, answer });
  });
  const again = new Again({ after: () => {}, cancel: () => {} });
  const chat = { user: { _id: me }, inbox: {}, again, session: { attempt: (request) => request() }, takeConversation() {}, draw() { lists.more(); } };
  const lists = new Lists(chat);
  return { lists, asked, paths: () => asked.map(({ path }) => path) };
}

test('after a reconnection the list is read anew, also if a page of it is being read', async () => {
  const { lists, asked, paths } = makeLists();
  lists.loadTalks();
  await asked[0].answer('/second'); // and then the next page is wanted
  lists.loadTalks();
  await asked[1].answer('/third');
  assert.deepEqual(paths().slice(0, 3), [first, '/second', first]);
  await asked[2].answer('/second');
  assert.deepEqual(paths().slice(3), ['/second'], 'of two at once the later one counts');
  await asked[3].answer();
  assert.equal(lists.talks.state, 'done');
});
