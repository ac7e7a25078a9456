// Socket.IO packets drawn at random: good ones, broken ones, and soup.
import { Encoder } from 'socket.io-parser';

const encoder = new Encoder();
const names = ['message', 'message-with-ack', 'x', '', '€', 'connect', 'disconnecting', 'newListener', '__proto__', 7, -1.5];
const namespaces = ['/', '/', '/', '/', '/custom', '/custom', '/other', '/custom?a=b', '//'];
const texts = ['', 'a', '"', '\\', '/', '1-', '€', '😀', '\u2028', '\u0000', '\n', ' ', '[1,2]', '{"_placeholder":true,"num":0}', 'x'.repeat(300)];
const numbers = [0, -0, 1, -1, 10, 1.5, -2.25e-7, 1e21, 1e300, 2 ** 53, 9007199254740993, 123456789012];
const keys = ['a', 'b', 'num', '_placeholder', '__proto__', 'constructor', 'toJSON', '0', '1', '', 'ü'];
const pieces = ['0', '1', '2', '3', '4', '5', '6', '7', '51-', '510-', '511-', '51', '-', '0x1-', '1e0-', '/', '/custom,', '/a', ',', '0', '00', '12',
  '9007199254740991', '9007199254740992', '["message"]', '["x",1]', '["connect"]', '[]', '{}', '{"a":1}', '"x"', 'null', 'true', '1.5', '[', ']', '{', '}',
  '"', '\\', '\\u0000', '\\ud800', '{"a":1,"a":2}', ' ', '\t', '\n', '["x",1e999]', '["x",99999999999999999999]', '[["x"]]', '[7]', '[null]',
  '["x",{"_placeholder":true,"num":0}]', '["x",{"_placeholder":true,"num":1}]', '["x",{"_placeholder":true,"num":0.5}]', '["x",{"_placeholder":true}]',
  '["x",{"_placeholder":true,"num":"0"}]', `["x",${'['.repeat(17)}${']'.repeat(17)}]`, '€', '😀', `/${'n'.repeat(128)},`];

const value = (r, depth, binary) => {
  if (depth === 0 || r.oneIn(3)) {
    return r.pick([() => r.pick(texts), () => r.pick(numbers), () => r.below(2) === 0, () => null,
      () => (binary ? r.bytes(20) : r.below(1000))])();
  }
  if (r.oneIn(2)) return r.list(4, () => value(r, depth - 1, binary));
  return Object.fromEntries(r.list(4, () => [r.pick(keys), value(r, depth - 1, binary)]));
};

/** A packet as an encoder writes it: its text, and after it the attachments. */
export function goodPacket(r) {
  const type = r.pick([0, 1, 2, 2, 2, 2, 3, 3, 4]);
  const binary = r.oneIn(3);
  const args = r.list(3, () => value(r, 3, binary));
  const data = [() => (r.oneIn(2) ? undefined : { a: value(r, 2, false) }), () => undefined, () => [r.pick(names), ...args], () => args,
    () => (r.oneIn(2) ? 'no' : { message: 'no' })][type]();
  const id = type === 3 || (type === 2 && r.oneIn(2)) ? r.pick([0, 1, 7, 99, 100, 2 ** 53 - 1]) : undefined;
  return encoder.encode({ type, nsp: r.pick(namespaces), id, data });
}

const character = (r) => r.pick(pieces)[0] ?? '0';

const mutate = (r, text) => {
  const chars = [...text];
  for (let n = 1 + r.below(3); n > 0; n--) {
    const at = r.below(chars.length + 1);
    r.pick([
      () => chars.splice(at, 1), () => chars.splice(at, 0, character(r)), () => chars.splice(at, 1, character(r)),
      () => chars.splice(at, 0, r.pick(pieces)), () => chars.splice(at), () => chars.splice(at, 0, ...chars.slice(at, at + r.below(5))),
    ])();
  }
  return chars.join('');
};

/** An event or acknowledgement that breaks no rule. */
function politePacket(r) {
  const data = [r.pick(['message', 'x', '€', 7]), ...r.list(3, () => value(r, 2, r.oneIn(2)))];
  const type = r.pick([2, 2, 3]);
  return encoder.encode({ type, nsp: r.pick(['/', '/custom']), id: type === 3 || r.oneIn(2) ? r.below(120) : undefined, data });
}

/** The text of a packet of any kind, in well-formed Unicode. */
export function anyText(r) {
  const kind = r.below(10);
  const text = kind < 4 ? goodPacket(r)[0] : kind < 8 ? mutate(r, goodPacket(r)[0]) : r.list(6, () => r.pick(pieces)).join('');
  return Buffer.from(text).toString();
}

/** Messages of a connection, text and binary: events with their attachments, and what does not belong. */
export function anySequence(r) {
  const messages = [];
  for (let n = 1 + r.below(6); n > 0; n--) {
    if (r.oneIn(12)) messages.push(anyText(r));
    else if (r.oneIn(30)) messages.push(r.bytes(10));
    else if (r.oneIn(8)) messages.push(...goodPacket(r));
    else messages.push(...politePacket(r).filter(() => !r.oneIn(60)));
  }
  return messages;
}
