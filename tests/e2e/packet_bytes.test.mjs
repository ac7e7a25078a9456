// PACKET_BYTES_MAX is one limit everywhere: in the handshake, for a POST and for a WebSocket, at the gateway
// and in the service.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { call, Person } from '../support/api.mjs';
import { Socket } from '../support/conformance.mjs';
import { useStack } from '../support/stack.mjs';
import { waitUntil } from '../support/wait.mjs';

const path = (sid) => `/socket.io/?EIO=4&transport=polling${sid ? `&sid=${sid}` : ''}`;
const text = { 'content-type': 'text/plain' };
/** An event that is answered, as a packet of so many bytes. */
const packet = (bytes) => `421["x","${'y'.repeat(bytes - 11)}"]`;
const answered = /431\[\{"error":"Unknown event"/;

const isTooLarge = ({ status, json, text: body, headers }) => {
  assert.equal(status, 413, body);
  assert.match(headers.get('content-type'), /^application\/json/);
  assert.equal(json.code, 'TOO_LARGE', body);
  assert.equal(typeof json.error, 'string');
};

for (const [max, settings] of [[1024, { PACKET_BYTES_MAX: '1024' }], [1000000, {}], [3000000, { PACKET_BYTES_MAX: '3000000' }],
  [16000000, { PACKET_BYTES_MAX: '16000000' }]]) {
  describe(`PACKET_BYTES_MAX ${max}`, () => {
    const hold = useStack({ before, after, afterEach }, settings);
    const open = async (base = hold.stack.url) => {
      const ann = await Person.signUp(hold.stack.url, 'ann');
      ann.base = base;
      const { sid, maxPayload } = JSON.parse((await ann.get(path())).text.slice(1));
      assert.equal(maxPayload, max);
      assert.equal((await ann.post(path(sid), '40', text)).status, 200);
      assert.match((await ann.get(path(sid))).text, /^40/);
      /** What is polled until this is among it: a list of who is online may come before. */
      const hear = (answer) => waitUntil(String(answer), async () => answer.test((await ann.get(path(sid))).text), { within: 10000 });
      return { say: (body) => ann.post(path(sid), body, text), hear, ann };
    };

    for (const [where, base] of [['the gateway', () => hold.stack.url], ['the service', () => hold.stack.addressOf('presence')]]) {
      test(`a POST of as many bytes is taken, one more is 413 as JSON, and the session stays: ${where}`, async () => {
        const { say, hear } = await open(await base());
        assert.equal((await say(packet(max))).status, 200);
        await hear(answered);
        isTooLarge(await say(packet(max + 1)));
        isTooLarge(await say(packet(max * 2)));
        assert.equal((await say('422["x"]')).status, 200);
        await hear(/432\[/);
      });
    }

    test('a POST of any size beyond gets the same from the gateway', async () => {
      const { say, hear } = await open();
      isTooLarge(await say(packet(max * 2 + 1)));
      isTooLarge(await say(packet(max * 3)));
      assert.equal((await say('422["x"]')).status, 200);
      await hear(/432\[/);
    });

    test('a WebSocket takes a message of as many bytes, whole or in parts; one more ends it', async () => {
      const ann = await Person.signUp(hold.stack.url, 'ann');
      const socket = new Socket(`${ann.base}/socket.io/?EIO=4&transport=websocket`, { headers: { cookie: ann.cookie } });
      assert.equal(JSON.parse((await socket.take()).slice(1)).maxPayload, max);
      socket.send('40');
      while (!(await socket.take()).includes('getOnlineUsers'));
      const isAnswered = async () => {
        let heard = await socket.take();
        while (heard.includes('getOnlineUsers') || heard === '2') heard = await socket.take();
        assert.match(heard, answered);
      };
      socket.send(packet(max));
      await isAnswered();
      const all = packet(max);
      socket.ws.send(all.slice(0, max / 2), { fin: false });
      socket.ws.send(all.slice(max / 2));
      await isAnswered();
      socket.send(packet(max + 1));
      assert.ok([1006, 1009].includes(await socket.end()), 'closed');
    });

    test('the limit of other bodies is the other one', async () => {
      const ann = await Person.signUp(hold.stack.url, 'ann');
      const body = (bytes) => `{"status":"BUSY"${' '.repeat(bytes - 17)}}`;
      for (const base of [hold.stack.url, await hold.stack.addressOf('presence')]) {
        const post = (bytes) => call(base, 'POST', `/api/users/status/${ann.id}`, body(bytes), { cookie: ann.cookie });
        assert.equal((await post(102400)).status, 200);
        isTooLarge(await post(102401));
      }
    });
  });
}
