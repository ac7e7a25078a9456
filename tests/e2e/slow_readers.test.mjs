// Clients that do not read what they are sent, through the gateway.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { frame, handshake, opcode, Wire } from '../support/conformance.mjs';
import { Stack, useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { SEND_QUEUE_BYTES_MAX: '65536' });
const base = () => hold.stack.url;
const longText = 'x'.repeat(60000);
const patient = { within: 20000 };
const sendsMost = 400; // above what the kernel's buffers on the way hold

/** A WebSocket that is in, and reads nothing from now on. */
const connectDeaf = async (person, { port } = hold.stack) => {
  const wire = await Wire.open({ host: 'localhost', port });
  wire.write(handshake('/socket.io/?EIO=4&transport=websocket', { Host: `localhost:${port}`, Cookie: person.cookie }));
  assert.equal((await wire.head()).status, 101);
  assert.match((await wire.frame()).data.toString(), /^0\{/);
  wire.write(frame(opcode.text, '40'));
  assert.match((await wire.frame()).data.toString(), /^40\{/);
  wire.socket.pause();
  return wire;
};

test('one that never reads is put out at its bound, and the others miss nothing', async () => {
  const [ann, bob, cid] = await Promise.all(['ann', 'bob', 'cid'].map((name) => Person.signUp(base(), name)));
  const [, reader] = [await ann.connect(), await cid.connect()];
  const wire = await connectDeaf(bob);
  const bobIsOnline = () => reader.all('getOnlineUsers').at(-1)?.includes(bob.id);
  await waitUntil('bob to be seen', bobIsOnline, patient);

  let sent = 0;
  for (; sent < sendsMost && bobIsOnline(); sent++) {
    assert.equal((await ann.send(bob, longText)).status, 201);
    assert.equal((await ann.send(cid, `still there? ${sent}`)).status, 201);
    // Presence has seen both by then: it may stand still, while others go on.
    await waitUntil('cid to hear of it', () => reader.all('newMessage').length > sent, patient);
  }
  await waitUntil('bob to be out', () => !bobIsOnline(), patient);
  assert.ok(sent < sendsMost, `bob was out after ${sent} messages`);

  await waitUntil('every message to cid', () => reader.all('newMessage').length === sent, patient);
  assert.deepEqual(reader.all('newMessage').map((m) => m.message), Array.from({ length: sent }, (_, i) => `still there? ${i}`));
  assert.equal((await bob.history(ann)).json.length, sent);

  // What was written when bob came is more than this queue holds, and may cut bob off once more.
  const again = await bob.connect();
  await waitUntil('bob to hear again', async () => {
    assert.equal((await ann.send(bob, 'welcome back')).status, 201);
    return again.all('newMessage').at(-1)?.message === 'welcome back';
  }, patient);
  wire.end();
  for (const person of [ann, bob, cid]) person.close();
});

test('a process ends in order while clients neither read nor say goodbye', async () => {
  const stack = await Stack.start({ DRAIN_SECONDS: '0' });
  try {
    const people = await Promise.all(Array.from({ length: 5 }, (_, i) => Person.signUp(stack.url, `deaf${i}`)));
    const wires = await Promise.all(people.map((person) => connectDeaf(person, stack)));
    await stack.stop({ keep: true });
    const logs = await stack.logs();
    assert.match(logs, /"svc":"presence","msg":"worker ended"/);
    assert.doesNotMatch(logs, /Assertion/);
    for (const wire of wires) wire.end();
  } finally {
    await stack.stop();
  }
});
