// What must be true of marks, whatever was done to the processes meanwhile. Pure: records in, violations out.
//
//   backward  an answer, the end, or an event on one connection is behind a mark that had been acknowledged
//             before it was asked for
//   lost      an acknowledged mark, or in the end a delivery that was told, is not in the conversations
//   phantom   a mark beyond all that was said, or of no message of the conversation; two who see different marks;
//             a wrong count or last message; a refusal
//
// marks:         [{reader, writer, upTo, at, until, status, error, answer: {upTo, unread}}], each a read mark
// deliveries:    [{reader, writer, upTo, at}], as sockets said them
// conversations: [{user, entries: [{user, lastMessage, unread, readUpTo, theirReadUpTo, theirDeliveredUpTo}]}], in the
//                end
const UNREAD_MAX = 100;
const NONE = -1; // the place of no mark

const pairOf = (a, b) => [a, b].sort().join(' ');

/** The places of messages in their conversations. */
class Places {
  constructor(history) {
    this.conversations = new Map(history.map(({ from, to, bySender }) => [pairOf(from, to), bySender]));
    this.of = new Map();
    for (const [pair, messages] of this.conversations) messages.forEach(({ _id }, place) => this.of.set(_id, { pair, place }));
  }

  between(a, b) { return this.conversations.get(pairOf(a, b)) ?? []; }

  /** NONE without a mark; undefined: no message of the two. */
  place(a, b, id) {
    if (id === null || id === undefined) return NONE;
    const found = this.of.get(id);
    return found?.pair === pairOf(a, b) ? found.place : undefined;
  }
}

const groupBy = (list, key) => {
  const groups = new Map();
  for (const item of list) groups.set(key(item), [...groups.get(key(item)) ?? [], item]);
  return groups;
};

/** One reader's marks in one conversation; each waits for the one before, as far as that was answered. */
function checkAnswers(marks, places, found) {
  let acknowledged = NONE;
  for (const mark of marks) {
    const { reader, writer, status, answer, upTo } = mark;
    if (status >= 400 && status < 500) found.add('phantom', `a read mark was refused with ${status}: ${mark.error}`, { at: mark.at });
    if (status !== 200) continue;
    const [asked, got] = [upTo, answer.upTo].map((id) => places.place(reader, writer, id));
    if (got === undefined) found.add('phantom', `a read mark at ${answer.upTo}, which is no message of the two`, { at: mark.at });
    else if (got < asked || got < acknowledged) found.add('backward', `a read mark was answered with ${answer.upTo}, an older one`, { at: mark.at });
    acknowledged = Math.max(acknowledged, got ?? NONE);
  }
  return acknowledged;
}

/** What a conversation must say in the end, as its reader and its writer see it. */
function checkEnd({ reader, writer, mine, theirs, acknowledged, said, delivered }, places, found) {
  const messages = places.between(reader, writer);
  const at = (id) => places.place(reader, writer, id);
  const read = at(mine.readUpTo), got = at(theirs.theirDeliveredUpTo);
  const about = `${reader}'s marks of ${writer}`;
  if (mine.readUpTo !== theirs.theirReadUpTo) found.add('phantom', `${about}: the two see different ones`);
  if (read === undefined || got === undefined) {
    found.add('phantom', `${about}: at no message of the two`);
    return;
  }
  if (read < acknowledged) found.add('lost', `${about}: an acknowledged read mark is not there`);
  if (got < Math.max(read, delivered)) found.add('lost', `${about}: what was delivered is not there`);
  if (read > said) found.add('phantom', `${about}: more is read than was said`);
  if (got > Math.max(said, delivered)) found.add('phantom', `${about}: more is delivered than was said`);
  const unread = Math.min(UNREAD_MAX, messages.filter(({ senderId, deletedAt }, place) => senderId === writer && place > read && !deletedAt).length);
  if (mine.unread !== unread) found.add('phantom', `${about}: ${mine.unread} unread in place of ${unread}`);
  if (mine.lastMessage?._id !== messages.at(-1)?._id) found.add('phantom', `${about}: another last message`);
}

/** Events of one connection: each within what was said, and none behind one that had been settled before it. */
function checkEvents(socket, connection, marksOf, saidOf, places, found) {
  const last = new Map();
  for (const event of connection.marks ?? []) {
    const { name, userId, upTo, at } = event;
    const [reader, writer] = name === 'conversationRead' ? [socket.user, userId] : [userId, socket.user];
    const place = places.place(reader, writer, upTo);
    if (place === undefined || place > saidOf(name, reader, writer)) {
      found.add('phantom', `${socket.name} got ${name} up to ${upTo}, which nobody said`, { socket, at });
      continue;
    }
    const before = last.get(`${name} ${userId}`) ?? NONE;
    if (place < before && name !== 'messagesDelivered' && wasSettled(marksOf(reader, writer), place, before, places)) {
      found.add('backward', `${socket.name} got ${name} up to ${upTo}, behind a later one`, { socket, at });
    }
    last.set(`${name} ${userId}`, Math.max(place, before));
  }
}

/** Was the mark at `later` acknowledged, and `earlier` said only then, and never before? */
function wasSettled(marks, earlier, later, places) {
  const placeOf = ({ reader, writer, upTo }) => places.place(reader, writer, upTo);
  const settled = marks.find((mark) => mark.status === 200 && placeOf(mark) === later);
  const said = marks.filter((mark) => placeOf(mark) === earlier);
  return Boolean(settled) && said.length > 0 && said.every(({ at, until, status }) => at >= settled.until || (status === 200 && until <= settled.at));
}

/** Adds what is wrong to `found`. */
export function checkMarks({ marks = [], deliveries = [], conversations = [], sockets, history }, found) {
  const places = new Places(history);
  const key = ({ reader, writer }) => `${reader} ${writer}`;
  const byPair = groupBy(marks, key);
  const told = groupBy(deliveries, key);
  const newest = (list) => (list ?? []).reduce((most, { reader, writer, upTo }) => Math.max(most, places.place(reader, writer, upTo) ?? NONE), NONE);
  const marksOf = (reader, writer) => byPair.get(`${reader} ${writer}`) ?? [];
  const saidOf = (name, reader, writer) => Math.max(newest(marksOf(reader, writer)),
    name === 'messagesDelivered' ? newest(told.get(`${reader} ${writer}`)) : NONE);
  const entry = (a, b) => conversations.find(({ user }) => user === a)?.entries.find(({ user }) => user._id === b);

  for (const pair of conversations.flatMap(({ user, entries }) => entries.map((mine) => ({ reader: user, writer: mine.user._id, mine })))) {
    const { reader, writer } = pair;
    const acknowledged = checkAnswers(marksOf(reader, writer), places, found);
    const theirs = entry(writer, reader);
    if (!theirs) found.add('phantom', `${writer} has no conversation with ${reader}, who has one`);
    else {
      checkEnd({
        ...pair, theirs, acknowledged, said: newest(marksOf(reader, writer)), delivered: newest(told.get(`${reader} ${writer}`)),
      }, places, found);
    }
  }
  for (const [pair, messages] of places.conversations) {
    const [a, b] = pair.split(' ');
    if (conversations.length > 0 && messages.length > 0 && !entry(a, b)) found.add('lost', `${a} has no conversation with ${b}`);
  }
  for (const socket of sockets) for (const connection of socket.connections) checkEvents(socket, connection, marksOf, saidOf, places, found);
}
