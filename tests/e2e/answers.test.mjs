// Answers of one turn of the loop leave together (shared/http/cork.h): nobody's is lost, whoever else has gone before
// their request was read. A process that stood still finds all that came meanwhile on connections it has in one turn.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, afterEach, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { workerOf } from '../support/process.mjs';
import { useStack } from '../support/stack.mjs';
import { withDeadline } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach });
const agents = [];
afterEach(() => { for (const agent of agents.splice(0)) agent.destroy(); });

/** So many connections to message, past the gateway, each for one request at a time. */
async function connections() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 400 });
  agents.push(agent);
  const { hostname, port } = new URL(await hold.stack.addressOf('message'));
  return (person, method, target, body) => {
    const text = body && JSON.stringify(body);
    const request = http.request({
      agent, hostname, port, method, path: target,
      headers: { cookie: person.cookie, ...(text && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }) },
    });
    const answer = new Promise((resolve, reject) => {
      request.on('error', reject).on('response', (response) => {
        let read = '';
        response.setEncoding('utf8').on('data', (part) => { read += part; }).on('error', reject)
          .on('end', () => resolve({ status: response.statusCode, json: JSON.parse(read) }));
      });
    });
    const isWritten = new Promise((resolve) => { request.on('finish', resolve); });
    request.end(text);
    return { answer, isWritten, leave: () => { answer.catch(() => {}); request.destroy(); } };
  };
}

/** What `ask` makes is asked while message stands still; then it goes on. Gives the answers. */
async function atOnce(ask) {
  const worker = await workerOf(await hold.stack.pidOf('message1'));
  process.kill(worker, 'SIGSTOP');
  let asked;
  try {
    asked = await ask();
    await withDeadline('all to be written', Promise.all(asked.map(({ isWritten }) => isWritten)), 10000);
  } finally { process.kill(worker, 'SIGCONT'); }
  return withDeadline('all answers', Promise.all(asked.map(({ answer }) => answer)), 30000);
}

const people = (count, name) => Promise.all(Array.from({ length: count }, () => Person.signUp(hold.stack.url, name)));

test('each of many requests at once has its own answer, and its connection the next', async () => {
  const [ann, ...bobs] = await people(9, 'one');
  for (const bob of bobs) assert.equal((await ann.send(bob, `to ${bob.id}`)).status, 201);
  const ask = await connections();
  for (let round = 0; round < 2; round++) {
    const wanted = [];
    const answers = await atOnce(async () => Array.from({ length: 160 }, (_, i) => {
      const bob = bobs[i % bobs.length];
      if (i % 4 === 3) { wanted.push(404); return ask(ann, 'GET', `/api/messages/none/${i}`); }
      if (i % 4 === 2) { wanted.push(201); return ask(bob, 'POST', `/api/messages/send/${ann.id}`, { message: `round ${round}, ${i}` }); }
      wanted.push(`to ${bob.id}`);
      return ask(ann, 'GET', `/api/messages/${bob.id}?limit=100`);
    }));
    answers.forEach(({ status, json }, i) => {
      if (i % 4 > 1) assert.equal(status, wanted[i], JSON.stringify(json));
      else assert.ok(json.some(({ message }) => message === wanted[i]), `${i}: ${status}`);
      if (wanted[i] === 201) assert.equal(json.message, `round ${round}, ${i}`);
    });
  }
});

test('nobody waits for an answer whose client has gone', async () => {
  const [ann, bob] = await people(2, 'gone');
  assert.equal((await ann.send(bob, 'here')).status, 201);
  const ask = await connections();
  const answers = await atOnce(async () => {
    const staying = [];
    for (let i = 0; i < 120; i++) {
      const one = i % 3 === 1 ? ask(ann, 'POST', `/api/messages/send/${bob.id}`, { message: `of one who may go, ${i}` }) : ask(ann, 'GET', `/api/messages/${bob.id}`);
      await withDeadline('a request to be written', one.isWritten, 10000);
      if (i % 2) one.leave();
      else staying.push(one);
    }
    return staying;
  });
  for (const { status } of answers) assert.ok(status === 200 || status === 201, String(status));
  assert.equal((await ann.history(bob)).status, 200);
});
