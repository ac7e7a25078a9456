// What must be true of edits and deletions, whatever was done to the processes meanwhile. Pure: records in,
// violations out.
//
//   undone    an acknowledged edit is not in the history, nor a later one; a deleted message has a text, there or
//             in what a socket gets after it heard of the deletion
//   disorder  a session heard of a change after a later one of the same message
//   lost      a session did not hear of the last change of a message, that came while it lasted
//   phantom   a change that nobody asked for; a text that nobody wrote; of somebody else's message; a refusal
//
// changes: [{message: _id, by, text (null: deleted), at, until, status, error, answer}]
// and of connections: changes: [{name, _id, text, editedAt, deletedAt, at}], messages also with these
const timeOf = ({ deletedAt, editedAt }) => deletedAt ?? editedAt ?? '';

const groupBy = (list, key) => {
  const groups = new Map();
  for (const item of list) groups.set(key(item), [...groups.get(key(item)) ?? [], item]);
  return groups;
};

/** What the history has of one message. */
function checkEnd(message, changes, found) {
  const acked = changes.filter(({ status }) => status === 200);
  const tried = changes.map(({ text }) => text);
  for (const { status, error } of changes) {
    if (status >= 400 && status < 500) found.add('phantom', `a change was refused with ${status}: ${error}`, { message });
  }
  if (message.deletedAt) {
    if (message.message !== '') found.add('undone', 'a deleted message has a text', { message });
    if (!tried.includes(null)) found.add('phantom', 'a message was deleted by nobody', { message });
    return;
  }
  if (acked.some(({ text }) => text === null)) found.add('undone', 'an acknowledged deletion is not in the history', { message });
  const last = acked.filter(({ text }) => text !== null).map(({ answer }) => answer.editedAt).sort().at(-1) ?? '';
  if ((message.editedAt ?? '') < last) found.add('undone', `an acknowledged edit of ${last} is not in the history`, { message });
  const sameTime = acked.find(({ answer }) => message.editedAt && answer.editedAt === message.editedAt);
  if (sameTime && sameTime.text !== message.message) found.add('undone', 'an acknowledged edit has another text', { message });
  if (message.editedAt && !tried.includes(message.message)) found.add('phantom', 'a text that nobody wrote', { message });
}

/** One session's events of one message, in the order in which they came. */
function checkEvents(socket, message, events, changes, found) {
  let last = '', wasDeleted = false;
  for (const event of events) {
    const { name, text, deletedAt, at } = event;
    const time = timeOf(event);
    if (wasDeleted && text !== '') found.add('undone', `${socket.name} got the text of a message that it had heard was deleted`, { message, socket, at });
    if (name !== 'newMessage' && time < last) found.add('disorder', `${socket.name} heard of a change after a later one`, { message, socket, at });
    if (deletedAt && text !== '') found.add('undone', `${socket.name} got the text of a deleted message`, { message, socket, at });
    if (name === 'messageUpdated' && !changes.some((change) => change.text === text)) found.add('phantom', `${socket.name} got a text that nobody wrote`, { message, socket, at });
    last = time > last ? time : last;
    wasDeleted ||= Boolean(deletedAt);
  }
  return last;
}

/** Adds what is wrong to `found`; sessionsOf and underWay_ms are the checker's. */
export function checkEdits({ changes = [], sockets }, stored, found, sessionsOf, underWay_ms) {
  const changesOf = groupBy(changes, ({ message }) => message);
  for (const message of stored.values()) {
    if (timeOf(message) || changesOf.has(message._id)) checkEnd(message, changesOf.get(message._id) ?? [], found);
  }
  for (const socket of sockets) {
    for (const session of sessionsOf(socket)) {
      const events = groupBy(session.connections.flatMap(({ messages, changes: heard = [] }) =>
        [...messages.map((event) => ({ name: 'newMessage', ...event })), ...heard].sort((a, b) => a.n - b.n)), ({ _id }) => _id);
      const until = session.to === null ? Infinity : session.to - underWay_ms;
      for (const [id, list] of events) {
        const message = stored.get(id);
        if (!message) continue; // the checker says so of messages
        if (message.senderId !== socket.user && message.receiverId !== socket.user) found.add('phantom', `${socket.name} heard of another's message`, { message, socket });
        checkEvents(socket, message, list, changesOf.get(id) ?? [], found);
      }
      for (const message of stored.values()) {
        const time = timeOf(message);
        if (!time || (message.senderId !== socket.user && message.receiverId !== socket.user)) continue;
        const isDue = Date.parse(time) > session.from && Date.parse(time) < until;
        if (isDue && !(events.get(message._id) ?? []).some((event) => timeOf(event) === time)) {
          found.add('lost', `${socket.name} did not hear of the change of ${time}`, { message, socket });
        }
      }
    }
  }
}
