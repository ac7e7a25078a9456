// One reply to each message to a busy user, in time, whatever becomes of the responders.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { LlmServer, say, silence } from '../support/llm_server.mjs';
import { useStack } from '../support/stack.mjs';
import { patient, waitUntil } from '../support/wait.mjs';

const responders = ['responder1', 'responder2', 'responder3', 'responder4'];
const llm = await LlmServer.start();
after(() => llm.stop());
const hold = useStack({ before, after, afterEach }, {
  LLM_API_URL: `${llm.url}/v1`, RESPONDER_PROCESSES: String(responders.length), LIMIT_LLM_SENDER: '0', LIMIT_LLM_USER: '0',
});

async function pair() {
  const [ann, bob] = await Promise.all(['ann', 'bob'].map((name) => Person.signUp(hold.stack.url, name)));
  await bob.setStatus('BUSY');
  return [ann, bob];
}
const signal = async (name, what) => process.kill(await hold.stack.pidOf(name), what);
/** kill -9; nothing if it is dead at the moment. Gives its number. */
const kill = async (name) => {
  const pid = await hold.stack.pidOf(name);
  try { process.kill(pid, 'SIGKILL'); } catch (error) { assert.equal(error.code, 'ESRCH'); }
  return pid;
};
const isAlive = (name) => signal(name, 0).catch(() => false);

/** The replies in a conversation by the message they answer, once there is one to each of `sent`. */
async function repliesTo(sent, ann, bob, within) {
  const byMessage = new Map();
  await waitUntil(`${sent.length} replies`, async () => {
    byMessage.clear();
    for (const m of (await ann.history(bob)).json.filter(({ autoReply }) => autoReply)) {
      byMessage.set(m.autoReply.inReplyTo, [...byMessage.get(m.autoReply.inReplyTo) ?? [], m]);
    }
    return sent.every(({ _id }) => byMessage.has(_id));
  }, { within });
  return byMessage;
}
function assertOneEach(sent, byMessage) {
  assert.equal(byMessage.size, sent.length);
  for (const { _id, createdAt } of sent) {
    const [reply, ...more] = byMessage.get(_id);
    assert.equal(more.length, 0, `one reply to ${_id}`);
    const took = Date.parse(reply.createdAt) - Date.parse(createdAt);
    assert.ok(took <= patient(12000), `took ${took} ms`);
  }
}

describe('exactly one reply', { timeout: patient(120000) }, () => {
  test('to each of 200 messages, while one of four responders is killed every second', async () => {
    const [ann, bob] = await pair();
    const { usual } = llm;
    // Slow enough that a responder which dies takes jobs with it.
    llm.usual = (request, response) => setTimeout(() => usual(request, response), 400);
    const sent = [];
    for (let round = 0; round < 8; round++) {
      const second = new Promise((resolve) => { setTimeout(resolve, 1000); });
      const answers = await Promise.all(Array.from({ length: 25 }, (_, i) => ann.send(bob, `${round}.${i}`)));
      sent.push(...answers.map(({ json }) => json));
      await kill(responders[round % responders.length]);
      await second; // the requirement's rate, not a wait for something
    }
    llm.usual = usual;
    assertOneEach(sent, await repliesTo(sent, ann, bob, 20000));
  });

  test('in time where all responders stand still, also after they go on', async () => {
    await waitUntil('all responders', async () => (await Promise.all(responders.map(isAlive))).every(Boolean), { within: 15000 });
    const [ann, bob] = await pair();
    // Each asked right when they stop: some jobs are theirs already, and some nobody's.
    const { usual } = llm;
    let asked = 0;
    llm.usual = (request, response) => { asked++; setTimeout(() => usual(request, response), 3000); };
    const first = await Promise.all(Array.from({ length: 8 }, (_, i) => ann.send(bob, `before ${i}`)));
    await waitUntil('the model to be asked', () => asked >= 8, { within: 15000 });
    for (const name of responders) await signal(name, 'SIGSTOP');
    try {
      const more = await Promise.all(Array.from({ length: 8 }, (_, i) => ann.send(bob, `after ${i}`)));
      const sent = [...first, ...more].map(({ json }) => json);
      assertOneEach(sent, await repliesTo(sent, ann, bob, 20000));
      for (const name of responders) await signal(name, 'SIGCONT');
      // They come back to what was theirs, and answer what is new.
      llm.usual = usual;
      const last = (await ann.send(bob, 'and now?')).json;
      sent.push(last);
      assertOneEach(sent, await repliesTo(sent, ann, bob, 20000));
    } finally {
      llm.usual = usual;
      for (const name of responders) await signal(name, 'SIGCONT').catch(() => {});
      // To them the model has failed, some five times or more: they begin anew.
      for (const name of responders) await kill(name);
    }
  });

  test('to a message that kills every responder which asks the model about it, and others are answered meanwhile', async () => {
    const [[ann, bob], [carol, dave]] = [await pair(), await pair()];
    const { usual } = llm;
    let poisoned = 0;
    const killed = new Set();
    llm.usual = (request, response) => {
      const { messages } = llm.requests.at(-1).body;
      if (!messages.at(-1).content.includes('poison')) { usual(request, response); return; }
      poisoned++; // Which responder asked? All that could have.
      for (const name of responders) kill(name).then((pid) => killed.add(pid));
    };
    try {
      const poison = (await ann.send(bob, 'poison')).json;
      await waitUntil('the model to be asked', () => poisoned > 0, { within: 15000 });
      await waitUntil('another responder', async () => killed.size >= responders.length &&
        (await Promise.all(responders.map((name) => hold.stack.pidOf(name)))).some((pid) => !killed.has(pid)), { within: 10000 });
      const harmless = (await carol.send(dave, 'hello')).json;
      const [reply] = (await repliesTo([harmless], carol, dave, 15000)).get(harmless._id);
      const [standard] = (await repliesTo([poison], ann, bob, 15000)).get(poison._id);
      assert.equal(standard.autoReply.kind, 'fallback');
      assert.ok(poisoned <= 2, `asked ${poisoned} times`);
      assertOneEach([poison], await repliesTo([poison], ann, bob));
      assertOneEach([harmless], await repliesTo([harmless], carol, dave));
      assert.equal(reply.autoReply.kind, 'llm', 'the other did not suffer from it');
    } finally {
      llm.usual = usual;
    }
  });
});

test('typing that a responder told of before it died ends with the reply', { timeout: patient(30000) }, async () => {
  const [ann, bob] = await pair();
  const page = await ann.connect();
  try {
    llm.script(silence());
    await ann.send(bob, 'hello');
    await waitUntil('typing', () => page.all('typing').length > 0);
    for (const name of responders) await kill(name);
    await waitUntil('the reply', () => page.all('newMessage').length > 0, { within: 13000 });
    await waitUntil('the end of typing', () => !page.all('typing').at(-1).isTyping);
    assert.deepEqual(page.all('typing').at(-1), { from: bob.id, isTyping: false, auto: true });
  } finally {
    ann.close();
  }
});

test('a job that is left when a responder ends is answered by the next', async () => {
  const [ann, bob] = await pair();
  llm.script(say('Later.'));
  for (const name of responders) await signal(name, 'SIGTERM').catch(() => {});
  const sent = [(await ann.send(bob, 'anybody?')).json];
  assertOneEach(sent, await repliesTo(sent, ann, bob, 15000));
});
