// Clients that do not read what they are sent, through the gateway.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Person } from '../support/api.mjs';
import { frame, handshake, opcode, Wire } from '../support/conformance.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const hold = useStack({ before, after, afterEach }, { SEND_QUEUE_BYTES_MAX: '65536' });
const base = () => hold.stack.url;
const longText = 'x'.repeat(60000);
const sendsMost = 400; // above what the kernel's buffers on the way hold

/** A WebSocket that is in, and reads nothing from now on. */
const connectDeaf = async (person) => {
  const wire = await Wire.open({ host: 'localhost', port: hold.stack.port });
  wire.write(handshake('/socket.io/?EIO=4&transport=websocket', { Host: `localhost:${hold.stack.port}`, Cookie: person.cookie }));
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
  await waitUntil('bob to be seen', bobIsOnline);

  let sent = 0;
  for (; sent < sendsMost && bobIsOnline(); sent++) {
    assert.equal((await ann.send(bob, longText)).status, 201);
    assert.equal((await ann.send(cid, `still there? ${sent}`)).status, 201);
  }
  await waitUntil('bob to be out', () => !bobIsOnline());
  assert.ok(sent < sendsMost, `he was out after ${sent} messages`);

  await waitUntil('every message to cid', () => reader.all('newMessage').length === sent);
  assert.deepEqual(reader.all('newMessage').map((m) => m.message), Array.from({ length: sent }, (_, i) => `still there? ${i}`));
  assert.equal((await bob.history(ann)).json.length, sent);

  const again = await bob.connect();
  assert.equal((await ann.send(bob, 'welcome back')).status, 201);
  await waitUntil('bob to hear again', () => again.all('newMessage').at(-1)?.message === 'welcome back');
  wire.end();
  for (const person of [ann, bob, cid]) person.close();
});
