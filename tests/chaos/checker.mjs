// What must be true of a history, whatever was done to the processes meanwhile. Pure: records in,
// violations out.
//
//   lost      (a) an acknowledged message that the history has not; (b) a stored one that a socket
//             which was connected, or recovered, did not get
//   doubled   (c) one _id twice on one connection; (d) two replies to one message; (g) a send that is
//             stored twice
//   late      (d) a message to a busy user without its reply; (e) a reply after more than 12 s, not
//             counting time in which the store took nothing from anybody, or the machine stood still
//   disorder  (f) live delivery, the order of sending and the history do not agree
//   undone    an edit or a deletion that is gone again (edits.mjs, which says more of them), a person who
//             is back, or their words (erasures.mjs)
//   backward  a mark that goes back (marks.mjs, which says more of marks)
//   phantom   an event of a message that the history has not; a reply nobody asked for; two readers of
//             one conversation who see different ones; a refusal that nothing explains
import { checkEdits } from './edits.mjs';
import { checkErasures } from './erasures.mjs';
import { checkMarks } from './marks.mjs';

export const REPLY_WITHIN_MS = 12000;
/* A pause in what is stored that counts as the store being away, where it refused a send meanwhile. */
const OUTAGE_MS = 1500;
/* What comes to a session that ends unrecovered may still be under way at its end; outages and standstills
 * do not count. */
const UNDER_WAY_MS = 10000;
/* So long after a standstill a process may not know who came online: it looks for Redis again first. */
const UNKNOWING_MS = 15000;

const rules = { lost: 0, doubled: 0, late: 0, disorder: 0, undone: 0, backward: 0, phantom: 0 };

class Violations {
  constructor() { this.list = []; }

  add(rule, text, about = {}) { this.list.push({ rule, text, ...about }); }

  counts() {
    const counts = { ...rules };
    for (const { rule } of this.list) counts[rule]++;
    return counts;
  }
}

/** Connections that go on with one another: {from, to, messages, connections}; to is null while it lasts. */
export function sessionsOf(socket) {
  const sessions = [];
  for (const connection of socket.connections) {
    if (!connection.recovered || sessions.length === 0) sessions.push({ from: connection.from, connections: [] });
    sessions.at(-1).connections.push(connection);
  }
  for (const session of sessions) session.to = session.connections.at(-1).to;
  return sessions;
}

const timeOf = (message) => Date.parse(message.createdAt);

/** All stored messages by _id, each with its place in its conversation. */
function index(history) {
  const stored = new Map();
  for (const { bySender } of history) {
    bySender.forEach((message, place) => stored.set(message._id, { ...message, place }));
  }
  return stored;
}

function checkHistory(history, found) {
  for (const { lane, bySender, byReceiver } of history) {
    if (JSON.stringify(bySender) !== JSON.stringify(byReceiver)) found.add('phantom', `${lane}: its two readers see different histories`);
    const ids = bySender.map(({ _id }) => _id);
    if (new Set(ids).size !== ids.length) found.add('doubled', `${lane}: the history has an _id twice`);
    const order = (m) => `${m.createdAt} ${m._id}`;
    for (let i = 1; i < bySender.length; i++) {
      if (order(bySender[i - 1]) > order(bySender[i])) {
        found.add('disorder', `${lane}: the history is not sorted`, { message: bySender[i] });
      }
    }
  }
}

/** A sender who came online while the machine stood still is offline to those who have not heard of it yet. */
const isExplained = ({ at, until, status, error }, stood) => status === 403 && /\bOFFLINE\b/.test(error)
  && stood.some(([from, to]) => from < until && to > at - UNKNOWING_MS);

function checkSends({ sends, history, stood }, stored, found) {
  const byText = new Map();
  for (const message of stored.values()) {
    if (!message.autoReply) byText.set(message.message, [...byText.get(message.message) ?? [], message]);
  }
  for (const send of sends) {
    const copies = byText.get(send.text) ?? [];
    if (copies.length > 1) found.add('doubled', `"${send.text}" is stored ${copies.length} times`, { send });
    if (send.acked && !stored.has(send.acked._id)) found.add('lost', `"${send.text}" was acknowledged and is not in the history`, { send });
    for (const attempt of send.attempts) {
      const { status, error } = attempt;
      if (status >= 400 && status < 500 && !isExplained(attempt, stood)) found.add('phantom', `"${send.text}" was refused with ${status}: ${error}`, { send });
    }
  }
  const lastOf = new Map(); // lane -> the last that was acknowledged
  for (const send of sends.filter(({ acked }) => acked && stored.has(acked._id))) {
    const last = lastOf.get(send.lane);
    lastOf.set(send.lane, send);
    if (last && stored.get(last.acked._id).place > stored.get(send.acked._id).place) {
      found.add('disorder', `"${send.text}" stands before "${last.text}", which was acknowledged before it was sent`, { send });
    }
  }
}

/**
 * When the store took nothing from anybody, and said so: [[from, to]]. (A process that is stopped while it
 * holds the lock of an embedded store stops all who write.)
 */
function storeOutages(sends, stored) {
  const refused = sends.flatMap(({ attempts }) => attempts).filter(({ status }) => status === 503).map(({ until }) => until);
  const times = [...stored.values()].map(timeOf).sort((a, b) => a - b);
  return times.slice(1).map((to, i) => [times[i], to])
    .filter(([from, to]) => to - from >= OUTAGE_MS && refused.some((at) => at > from && at < to));
}

/** How long a message waited for its reply while the machine ran and the store took writes. */
const waited = (message, reply, outages) => passed(timeOf(message), timeOf(reply), outages);

/** The time from one moment to another, less what of it were outages. */
function passed(from, to, outages) {
  let [at, sum] = [from, 0];
  for (const [begin, end] of [...outages].sort(([a], [b]) => a - b)) {
    sum += Math.max(0, Math.min(begin, to) - at);
    at = Math.max(at, end);
  }
  return sum + Math.max(0, to - at);
}

function checkReplies(busy, outages, stored, found) {
  const replies = new Map();
  for (const message of stored.values()) {
    if (!message.autoReply) continue;
    const { inReplyTo } = message.autoReply;
    replies.set(inReplyTo, [...replies.get(inReplyTo) ?? [], message]);
    const asked = stored.get(inReplyTo);
    if (!asked || asked.autoReply || !busy.includes(asked.receiverId)) found.add('phantom', 'a reply that nobody asked for', { message });
  }
  for (const message of stored.values()) {
    if (message.autoReply || !busy.includes(message.receiverId)) continue;
    const [reply, ...more] = replies.get(message._id) ?? [];
    if (!reply && message.deletedAt) continue;
    if (!reply) found.add('late', 'a message to a busy user has no reply', { message });
    else if (waited(message, reply, outages) > REPLY_WITHIN_MS) {
      found.add('late', `a reply came after ${waited(message, reply, outages)} ms`, { message });
    }
    if (more.length > 0) found.add('doubled', `a message has ${more.length + 1} replies`, { message });
  }
}

/** Each session got all that was stored for its user while it lasted. */
function checkDelivery(sockets, stored, outages, found) {
  const inbox = new Map();
  for (const message of stored.values()) inbox.set(message.receiverId, [...inbox.get(message.receiverId) ?? [], message]);
  for (const socket of sockets) {
    const sessions = sessionsOf(socket);
    if (sessions.length === 0 || sessions.at(-1).to !== null) found.add('lost', `${socket.name} is not connected in the end`, { socket });
    for (const session of sessions) {
      const got = new Set(session.connections.flatMap(({ messages }) => messages.map(({ _id }) => _id)));
      const wasUnderWay = (message) => session.to !== null && passed(timeOf(message), session.to, outages) <= UNDER_WAY_MS;
      for (const message of inbox.get(socket.user) ?? []) {
        const isDue = timeOf(message) > session.from && !wasUnderWay(message);
        if (isDue && !got.has(message._id)) found.add('lost', `${socket.name} did not get a message`, { message, socket });
      }
    }
  }
}

function checkConnections(sockets, stored, found) {
  for (const socket of sockets) {
    for (const { messages } of socket.connections) {
      const seen = new Set();
      for (const { _id, at } of messages) {
        if (seen.has(_id)) found.add('doubled', `${socket.name} got a message twice on one connection`, { message: stored.get(_id) ?? { _id }, socket, at });
        seen.add(_id);
        const message = stored.get(_id);
        if (!message) found.add('phantom', `${socket.name} got ${_id}, which is not in the history`, { socket, at });
        else if (message.receiverId !== socket.user) found.add('phantom', `${socket.name} got another's message`, { message, socket, at });
      }
    }
  }
}

/**
 * Of two messages of a conversation that a session got, the one that was acknowledged before the other was
 * sent comes first. (Those under way at the same moment, as two replies may be, have no order to keep.)
 */
function checkLiveOrder(sends, sockets, stored, found) {
  const sendOf = new Map(sends.filter(({ acked }) => acked).map((send) => [send.acked._id, send]));
  const comesBefore = (a, b) => {
    const [first, second] = [sendOf.get(a._id), sendOf.get(b._id)];
    return Boolean(first && second) && first.attempts.at(-1).until <= second.attempts[0].at;
  };
  for (const socket of sockets) {
    for (const session of sessionsOf(socket)) {
      const lastFrom = new Map(); // sender -> his last message that came
      const seen = new Set();
      for (const { _id, at } of session.connections.flatMap(({ messages }) => messages)) {
        const message = stored.get(_id);
        if (!message || seen.has(_id)) continue;
        seen.add(_id);
        const last = lastFrom.get(message.senderId);
        if (last && comesBefore(message, last)) {
          found.add('disorder', `${socket.name} got a message behind ${last._id}, a later one of its conversation`, { message, socket, at });
        } else {
          lastFrom.set(message.senderId, message);
        }
      }
    }
  }
}

/**
 * sends:   [{lane, text, acked, attempts: [{at, until, status, error}]}]
 * sockets: [{name, user, connections: [{recovered, from, to, messages: [{_id, at}]}]}]
 * history: [{lane, bySender: [message], byReceiver: [message]}]
 * busy:    ids of those who are busy, all the time
 * stood:   [[from, to]], when the machine stood still
 * changes as edits.mjs has them, leavers as erasures.mjs, and marks, deliveries, conversations as marks.mjs has them
 */
export function check({ sends, sockets, history, busy, stood = [], changes = [], leavers = [], ...marks }) {
  const found = new Violations();
  const stored = index(history);
  checkHistory(history, found);
  checkSends({ sends, history, stood }, stored, found);
  const outages = [...storeOutages(sends, stored), ...stood];
  checkReplies(busy, outages, stored, found);
  checkDelivery(sockets, stored, outages, found);
  checkConnections(sockets, stored, found);
  checkLiveOrder(sends, sockets, stored, found);
  checkEdits({ changes, sockets }, stored, found, sessionsOf, UNDER_WAY_MS);
  checkMarks({ ...marks, sockets, history }, found);
  checkErasures(leavers, found);
  return { violations: found.list, counts: found.counts(), summary: { ...summarize(sends, sockets, stored, changes, marks), erased: leavers.length } };
}

function summarize(sends, sockets, stored, changes, { marks = [] }) {
  const connections = sockets.flatMap((socket) => socket.connections);
  const perSession = sockets.flatMap(sessionsOf).map((s) => s.connections.flatMap(({ messages }) => messages.map(({ _id }) => _id)));
  return {
    sent: sends.length,
    acknowledged: sends.filter(({ acked }) => acked).length,
    delivered: connections.reduce((sum, { messages }) => sum + messages.length, 0),
    replied: [...stored.values()].filter(({ autoReply }) => autoReply).length,
    reconnections: connections.length - sockets.length,
    recovered: connections.filter(({ recovered }) => recovered).length,
    changed: changes.filter(({ status }) => status === 200).length,
    changeEvents: connections.reduce((sum, connection) => sum + (connection.changes?.length ?? 0), 0),
    marked: marks.filter(({ status }) => status === 200).length,
    markEvents: connections.reduce((sum, connection) => sum + (connection.marks?.length ?? 0), 0),
    repeated: perSession.reduce((sum, ids) => sum + ids.length - new Set(ids).size, 0),
  };
}
