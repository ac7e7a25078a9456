// Those who chat, and write down what they see: senders their sends, sockets their events.
import { randomUUID } from 'node:crypto';
import { Person } from '../support/api.mjs';

const RETRY_MS = 300;
const ACK_MS = 10000; // for the answer to a send by socket
const statuses = { UNAVAILABLE: 503, STORAGE_FULL: 507, INTERNAL: 500, TOO_MANY_REQUESTS: 429, OFFLINE: 403 }; // as an answer to a request would have
const ways = [
  {}, // as a stock client does: polling, then WebSocket
  { transports: ['websocket'] },
  { transports: ['polling'] },
];

/**
 * A socket's record: its connections, oldest first. A connection that was recovered goes on with the
 * session of the one before; `messages` are the newMessage events in the order they came.
 *   {recovered, from, to, reason, messages: [{_id, text, editedAt, deletedAt, at, n}],
 *    changes: [{name, the same}], marks: [{name, userId, upTo, at}]}; n counts events of both kinds
 */
function record(person, number, onMessage) {
  const socket = person.open({ ...ways[number % ways.length], reconnectionDelay: 200, reconnectionDelayMax: 1000 });
  let n = 0;
  const state = ({ _id, message: text, editedAt, deletedAt }) => ({ _id, text, editedAt, deletedAt, at: Date.now(), n: n++ });
  const log = { name: `${person.name}'s socket ${number}`, user: person.id, connections: [], errors: [], socket };
  socket.on('connect', () => {
    log.connections.push({ recovered: socket.recovered, from: Date.now(), to: null, reason: null, messages: [], changes: [], marks: [] });
  });
  // One that was not let in yet ends, too.
  socket.on('disconnect', (reason) => Object.assign(log.connections.at(-1) ?? {}, { to: Date.now(), reason }));
  socket.on('connect_error', (error) => log.errors.push({ at: Date.now(), text: error.message }));
  socket.on('newMessage', (message) => {
    log.connections.at(-1).messages.push(state(message));
    onMessage(log, message);
  });
  for (const name of ['messageUpdated', 'messageDeleted']) {
    socket.on(name, ({ message }) => log.connections.at(-1).changes.push({ name, ...state(message) }));
  }
  for (const name of ['messagesRead', 'messagesDelivered', 'conversationRead']) {
    socket.on(name, ({ userId, upTo }) => log.connections.at(-1).marks.push({ name, userId, upTo, at: Date.now() }));
  }
  return log;
}

export class People {
  /** Sign up everybody, set who is busy, open two sockets each and wait until all are in. */
  static async gather(url, random, { senders = 8, receivers = 4, busy = 2, sockets = 2 } = {}) {
    const people = new People();
    Object.assign(people, { random, sends: [], sockets: [], changes: [], marks: [], deliveries: [], reading: new Map() });
    const join = async (name, number) => {
      const person = Object.assign(await Person.signUp(url, name), { name });
      for (let i = 0; i < sockets; i++) people.sockets.push(record(person, number + i, (log, message) => people.#take(person, i, log, message)));
      return person;
    };
    const all = (count, name) => Promise.all(Array.from({ length: count }, (_, i) => join(`${name}${i + 1}`, i)));
    people.receivers = await all(receivers, 'receiver');
    people.senders = await all(senders, 'sender');
    people.busy = people.receivers.slice(0, busy);
    for (const person of people.busy) await person.setStatus('BUSY');
    people.lanes = people.senders.flatMap((from) => people.receivers.map((to) => ({ from, to, count: 0 })));
    return people;
  }

  areConnected() { return this.sockets.every(({ socket }) => socket.connected); }

  /**
   * One more message on a lane (a sender and a receiver) that is free: on a lane each send waits for the
   * outcome of the one before. Every other send is tried again under its key until it is acknowledged, the
   * others only once. Half of both go by a socket. Does nothing where all lanes wait.
   */
  sendOne() {
    const free = this.lanes.filter((lane) => !lane.pending);
    if (free.length === 0) return;
    const lane = this.random.pick(free);
    const number = ++lane.count;
    const send = {
      lane: `${lane.from.name} to ${lane.to.name}`, from: lane.from.id, to: lane.to.id, number, busy: this.busy.includes(lane.to),
      text: `${lane.from.name} to ${lane.to.name}, ${number}`, retries: number % 2 === 0, attempts: [], acked: null,
    };
    this.sends.push(send);
    lane.pending = this.#carry(send, lane).then(() => this.#changeAfter(send, lane)).finally(() => { lane.pending = undefined; });
  }

  async #carry(send, lane) {
    const key = randomUUID();
    do {
      const attempt = { at: Date.now() };
      send.attempts.push(attempt);
      try {
        Object.assign(attempt, await (send.number % 4 < 2 ? this.#post(send, lane, key) : this.#emit(send, lane, key)));
      } catch (error) {
        attempt.error = error.cause?.code ?? error.message ?? error.name;
      }
      attempt.until = Date.now();
      if (send.acked || !send.retries || this.isOver) return;
      await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
    } while (!this.isOver);
  }

  /**
   * Of every third message a word is taken back, of every ninth two at once by two devices; every sixth goes
   * for good. Each is tried until the server has answered it.
   */
  async #changeAfter({ acked, number, text }, lane) {
    if (!acked || this.isOver) return;
    if (number % 3 === 0) await this.#carryChange(lane, acked, `${text}, again`);
    if (number % 9 === 0) await Promise.all(['left', 'right'].map((hand) => this.#carryChange(lane, acked, `${text}, ${hand}`)));
    if (number % 6 === 0) await this.#carryChange(lane, acked, null);
  }

  async #carryChange({ from }, { _id }, text) {
    for (let isFirst = true; isFirst || !this.isOver; isFirst = false) {
      const change = { message: _id, by: from.id, text, at: Date.now() };
      this.changes.push(change);
      try {
        const answer = text === null ? await from.remove(_id) : await from.edit(_id, text);
        Object.assign(change, { status: answer.status, answer: answer.json, ...(answer.status !== 200 && { error: answer.text.slice(0, 100) }) });
      } catch (error) {
        change.error = error.cause?.code ?? error.name;
      }
      change.until = Date.now();
      if (change.status === 200) return;
      await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
    }
  }

  async #post(send, lane, key) {
    const answer = await lane.from.send(lane.to, send.text, { 'idempotency-key': key });
    if (answer.status === 201) send.acked = answer.json;
    return { status: answer.status, ...(!send.acked && { error: answer.text.slice(0, 100) }) };
  }

  /** The sendMessage of one of their sockets; an attempt by request where none is connected. */
  async #emit(send, lane, key) {
    const socket = lane.from.sockets.find(({ connected }) => connected);
    if (!socket) return this.#post(send, lane, key);
    const { message, code, error } = await socket.timeout(ACK_MS).emitWithAck('sendMessage', { to: lane.to.id, message: send.text, key });
    if (message) send.acked = message;
    return { status: message ? 201 : statuses[code] ?? 400, ...(error && { error: `${code}: ${error}` }) };
  }

  /** Wait until no send is under way any more. */
  async finishSends() {
    while (this.lanes.some((lane) => lane.pending)) await Promise.all(this.lanes.map((lane) => lane.pending));
  }

  /** Each socket says what it got; the first one of a person reads now and then. */
  #take(person, number, log, message) {
    this.#deliver(log, message);
    if (number === 0 && !this.isOver) this.#read(person, message.senderId, message._id);
  }

  /** The latest by its place: two that were sent at once may come the other way round. */
  #deliver(log, { _id, senderId, createdAt }) {
    log.got ??= new Map();
    const place = `${createdAt} ${_id}`;
    if (place <= (log.got.get(senderId)?.place ?? '')) return;
    log.got.set(senderId, { place, upTo: _id });
    this.deliveries.push({ reader: log.user, writer: senderId, upTo: _id, at: Date.now() });
    log.socket.emit('delivered', { from: senderId, upTo: _id });
  }

  /** Every third message is read; every other one of those marks comes late: an older one after a newer one. */
  #read(person, writer, upTo) {
    const key = `${person.id} ${writer}`;
    const state = this.reading.get(key) ?? { count: 0 };
    this.reading.set(key, state);
    if (++state.count % 3 !== 0 || state.pending) return;
    const isLate = state.last && state.count % 6 === 0;
    const mark = { reader: person.id, writer, upTo: isLate ? state.last : upTo, at: Date.now() };
    state.last ??= upTo;
    this.marks.push(mark);
    state.pending = this.#carryMark(person, mark).finally(() => { state.pending = undefined; });
  }

  async #carryMark(person, mark) {
    try {
      const answer = await person.post(`/api/messages/read/${mark.writer}`, { upTo: mark.upTo });
      Object.assign(mark, { status: answer.status, answer: answer.json, ...(answer.status !== 200 && { error: answer.text.slice(0, 100) }) });
    } catch (error) {
      mark.error = error.cause?.code ?? error.name;
    }
    mark.until = Date.now();
  }

  async finishMarks() { await Promise.all([...this.reading.values()].map(({ pending }) => pending)); }

  /** What was said while a process died is said again with the next message: here there is none, so it is said now. */
  tellDeliveries() {
    for (const { socket, got } of this.sockets.filter(({ socket: { connected } }) => connected)) {
      for (const [from, { upTo }] of got ?? []) socket.emit('delivered', { from, upTo });
    }
  }

  /** [{user, entries}], all pages of each. */
  readConversations() {
    return Promise.all([...this.senders, ...this.receivers].map(async (person) => {
      const entries = [];
      for (let path = '/api/conversations?limit=5'; path;) {
        const answer = await person.get(path);
        if (answer.status !== 200) throw new Error(`conversations of ${person.name}: ${answer.status} ${answer.text}`);
        entries.push(...answer.json);
        path = answer.headers.get('link')?.match(/^<([^>]+)>/)?.[1];
      }
      return { user: person.id, entries };
    }));
  }

  /** The whole history as each side reads it: [{lane, bySender, byReceiver}]. */
  readHistory() {
    return Promise.all(this.lanes.map(async ({ from, to }) => {
      const [bySender, byReceiver] = await Promise.all([[from, to], [to, from]].map(async ([reader, other]) => {
        const answer = await reader.history(other);
        if (answer.status !== 200) throw new Error(`history of ${from.name} and ${to.name}: ${answer.status} ${answer.text}`);
        return answer.json;
      }));
      return { lane: `${from.name} to ${to.name}`, from: from.id, to: to.id, bySender, byReceiver };
    }));
  }

  close() {
    this.isOver = true;
    for (const person of [...this.receivers ?? [], ...this.senders ?? []]) person.close();
  }
}
