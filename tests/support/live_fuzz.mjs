// Random packets over live connections: WebSocket frames, Engine.IO and Socket.IO packets,
// polling payloads, queries. Each session ends with one that breaks a rule for certain, and the
// server has to close it.
import assert from 'node:assert/strict';
import { frame, handshake, opcode, Socket, Wire } from './conformance.mjs';
import { anySequence, anyText } from './sio_draw.mjs';

const soup = ['0', '1', '2', '3', '4', '5', '6', '7', 'b', '2probe', '3probe', '4', '41', '40', '42["message"]', 'bAQID', 'b%', '\x1e', '\x1e\x1e', '€',
  '\0', '{', 'x'.repeat(200)];

/** A packet of Engine.IO: one of Socket.IO mostly, an event of ours, or soup. */
const anyPacket = (r) => {
  if (r.oneIn(8)) return r.list(3, () => r.pick(soup)).join('');
  if (r.oneIn(8)) {
    const nobody = '0'.repeat(24);
    return `42${r.pick(['', '7', '900'])}["sendMessage",${r.pick(['{}', 'null', '[]', '{"to":1}', `{"to":"${nobody}"}`, `{"to":"${nobody}","message":"x"}`, `{"to":"${nobody}","message":"\\ud800"}`, `{"to":"${nobody}","message":"x","key":{}}`, `{"to":"${nobody}","message":"\\u0000","key":"k"}`])}]`;
  }
  if (r.oneIn(8)) return `42["${r.pick(['typing', 'delivered'])}",${JSON.stringify(r.pick([{}, { to: 1 }, { to: 'x', isTyping: 'y' }, { to: ['a'] }, { from: 'a'.repeat(24) }, { from: 'a'.repeat(24), upTo: 'b'.repeat(24) }, [], null, 'x']))}]`;
  return `4${anyText(r)}`;
};

const id = 'a'.repeat(24);
/** What clients of Parley send in a session, in their order. */
const recorded = [
  ['40', `42["typing",{"to":"${id}","isTyping":true}]`, '3', `42["typing",{"to":"${id}","isTyping":false}]`, `421["delivered",{"from":"${id}","upTo":"${id}"}]`, '41'],
  ['40{"presence":"watch"}', `420["watch",{"users":["${id}","${'b'.repeat(24)}"]}]`, '3', '421["watch",{"users":[]}]', `422["watch",{"users":${JSON.stringify(Array(501).fill(id))}}]`],
  [`40{"token":"a.b.c","messageSent":true}`, `40{"pid":"${id}.abcdefghijklmnopqrstuv","offset":"1a2b3c4d5e-${id}"}`, '3', '42["x"]', '41', '40{"presence":"delta"}'],
  ['2probe', '5', '40', `420["sendMessage",{"to":"${id}","message":"hello, wörld","key":"abc"}]`, `42["sendMessage",{"to":"${id}","message":""}]`],
  ['40', '451-7["file",{"_placeholder":true,"num":0}]', Buffer.from('attached'), '461-0[{"_placeholder":true,"num":0}]', Buffer.from([0, 255]), '430["x"]', '1'],
];

const flip = (r, message) => {
  const bytes = Buffer.from(message);
  if (bytes.length > 0) bytes[r.below(bytes.length)] ^= 1 << r.below(8);
  return typeof message === 'string' ? bytes.toString() : bytes;
};

/** One of those, with messages that are another in a bit, cut off, there again, moved, or left out. */
const mutatedSession = (r) => {
  const messages = [...r.pick(recorded)];
  for (let n = r.below(6); n > 0 && messages.length > 0; n--) {
    const at = r.below(messages.length);
    r.pick([
      () => { messages[at] = flip(r, messages[at]); }, () => { messages[at] = messages[at].slice(0, r.below(messages[at].length + 1)); },
      () => messages.splice(at, 0, ...Array(1 + r.below(10)).fill(messages[at])), () => messages.splice(r.below(messages.length), 0, ...messages.splice(at, 1)),
      () => messages.splice(at, 1), () => { messages[at] = Buffer.from(messages[at]); },
    ])();
  }
  return messages;
};

/** The messages of one session: mostly such as keep it open for the next. */
const anyMessages = (r) => (r.oneIn(3) ? mutatedSession(r) : r.oneIn(2)
  ? anySequence(r).map((data) => (typeof data === 'string' ? `4${data}` : data))
  : r.list(6, () => (r.oneIn(6) ? r.bytes(40) : anyPacket(r))));

/** Of several, one after the other. */
const anyLong = (r) => Array.from({ length: 1 + r.below(10) }, () => anyMessages(r)).flat();

/** A frame that may break any rule of RFC 6455. */
const anyFrame = (r, data) => {
  const op = typeof data === 'string' ? opcode.text : opcode.binary;
  const bytes = r.oneIn(15)
    ? frame(r.oneIn(2) ? op : r.below(16), r.oneIn(2) ? data : r.bytes(130), {
      fin: !r.oneIn(3), rsv: r.oneIn(3) ? r.below(8) : 0, mask: !r.oneIn(4), lengthBytes: r.pick([undefined, undefined, 2, 8]),
    })
    : frame(op, data);
  // Not in the length: the server would rightly wait for a megabyte.
  if (r.oneIn(60)) bytes[r.oneIn(2) || bytes.length < 10 ? 0 : 9 + r.below(bytes.length - 9)] ^= 1 << r.below(8);
  return r.oneIn(60) ? bytes.subarray(0, r.below(bytes.length)) : bytes;
};

/** The last word: unmasked frames, more of them than any frame that was cut off lacks bytes. */
const lastFrames = Buffer.concat(Array.from({ length: 4000 }, () => frame(opcode.text, 'x', { mask: false })));

const writeAll = (wire, r, chunks) => {
  const bytes = Buffer.concat(chunks);
  const cut = r.oneIn(4) ? r.below(bytes.length) : 0;
  wire.write(bytes.subarray(0, cut));
  wire.write(bytes.subarray(cut));
};

async function overWebSocket(target, r) {
  const wire = await Wire.open(target.address);
  const begin = target.path === '/ws' ? [] : [frame(opcode.text, '40')];
  const messages = anyLong(r);
  wire.write(handshake(`${target.path}?EIO=4&transport=websocket`, target.headers));
  assert.equal((await wire.head()).status, 101);
  writeAll(wire, r, [...begin, ...messages.map((data) => anyFrame(r, data)), lastFrames]);
  await wire.isGone(60000);
  wire.end();
  return messages.length;
}

const request = (target, method, query, body = '') => {
  const headers = Object.entries({ Host: 'localhost', ...target.headers }).map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const payload = Buffer.from(body);
  return Buffer.concat([Buffer.from(`${method} ${target.path}?${query} HTTP/1.1\r\n${headers}Content-Type: text/plain\r\n`
    + `Content-Length: ${payload.length}\r\n\r\n`), payload]);
};

const asPayload = (r, messages) => {
  const packets = messages.map((data) => (typeof data === 'string' ? data : `b${data.toString('base64')}`));
  const payload = Buffer.from(packets.join('\x1e'));
  if (payload.length > 0 && r.oneIn(20)) payload[r.below(payload.length)] ^= 1 << r.below(8);
  return payload;
};

async function overPolling(target, r) {
  const wire = await Wire.open(target.address);
  const ask = async (...args) => { wire.write(request(target, ...args)); return wire.answer(); };
  const { sid } = JSON.parse((await ask('GET', 'EIO=4&transport=polling')).body.slice(1));
  const query = `EIO=4&transport=polling&sid=${sid}`;
  await ask('POST', query, '40');
  let count = 0;
  for (let n = 1 + r.below(3), status = 200; n > 0 && status === 200; n--) {
    const messages = anyLong(r);
    count += messages.length;
    ({ status } = await ask('POST', query, asPayload(r, messages)));
  }
  await ask('POST', query, 'x');
  assert.equal((await ask('POST', query, '6')).status, 400, 'the session is gone');
  wire.end();
  return count;
}

const queries = ['EIO=4', 'EIO=3', 'EIO=', 'transport=polling', 'transport=websocket', 'transport=x', 'sid=', 'sid=abc', `sid=${'a'.repeat(300)}`, 't=1',
  'sid=%00', 'sid=%zz', 'EIO=4%34', 'b64=1', '&&', '=', 'sid=../..', 'userId=1', 'j=0'];

async function byQuery(target, r) {
  const wire = await Wire.open(target.address);
  const query = r.list(5, () => r.pick(queries)).join('&');
  const isGood = /^(?=.*EIO=4(&|$))(?=.*transport=polling)/.test(query);
  wire.write(request(target, isGood ? 'POST' : r.pick(['GET', 'POST']), query, anyPacket(r)));
  assert.ok((await wire.answer()).status >= 400, query);
  wire.end();
  return 1;
}

/** `count` packets at `target` {address, path, headers}; gives how many sessions they took. */
export async function fuzzLive(target, r, count) {
  const kinds = target.path === '/ws' ? [overWebSocket] : [overWebSocket, overWebSocket, overPolling, byQuery];
  let left = count;
  let sessions = 0;
  const worker = async () => {
    while (left > 0) {
      sessions++;
      const sent = await r.pick(kinds)(target, r);
      left -= sent;
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
  return sessions;
}

/** Another client of the same server, whom none of it may concern. */
export class Witness {
  static async open(url, options) {
    const witness = new Witness();
    witness.socket = new Socket(url, options);
    assert.match(await witness.socket.take(), /^0\{/);
    if (url.includes('/socket.io/')) {
      witness.socket.send('40');
      assert.match(await witness.socket.take(), /^40\{/);
    }
    witness.pings = 0;
    witness.socket.ws.on('message', (data) => {
      if (data.toString() === '2') { witness.pings++; witness.socket.send('3'); }
    });
    return witness;
  }

  /** It has heard pings all the time, answered, and is still there. */
  async isWell() {
    const { pings } = this;
    while (this.pings <= pings) await this.socket.take();
    assert.ok(!this.socket.isClosed);
    this.socket.close();
    return this.pings;
  }
}
