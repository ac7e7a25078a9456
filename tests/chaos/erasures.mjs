// What must be true of people who erased their account, whatever was done to the processes meanwhile. Pure:
// records in, violations out.
//
//   undone    they can still log in or are found; a message of theirs has a text
//   lost      a message of theirs that was acknowledged is not in its reader's history
//   phantom   an erasure was refused, or nobody asked for it
//
// leavers: [{name, sends: [{_id, text}], attempts: [{status, error}], login, profile,
//            history: [message]}]; login and profile are what the server says of them in the end
const isAnswered = ({ status }) => status >= 200 && status < 500;

/** Erased: the server said so, or an attempt whose answer was lost has done it, so that the next was 401. */
function checkAttempts({ name, attempts }, found) {
  const last = attempts.at(-1);
  if (last.status === 200 || (last.status === 401 && attempts.slice(0, -1).some((one) => !isAnswered(one)))) return;
  found.add('phantom', `${name} could not go: ${last.status} ${last.error}`, { leaver: name });
}

function checkWords({ name, sends, history }, found) {
  const stored = new Map(history.map((message) => [message._id, message]));
  for (const { _id, text } of sends) {
    if (!stored.has(_id)) found.add('lost', `"${text}" was acknowledged, and its reader has no message in its place`, { leaver: name });
  }
  for (const message of history) {
    if (message.message !== '' || !message.deletedAt) found.add('undone', `${name} is gone, and a message of theirs is not`, { message, leaver: name });
  }
}

/** Adds what is wrong to `found`. */
export function checkErasures(leavers, found) {
  for (const leaver of leavers) {
    checkAttempts(leaver, found);
    if (leaver.login !== 400) found.add('undone', `${leaver.name} is gone, and a log-in is answered with ${leaver.login}`, { leaver: leaver.name });
    if (leaver.profile !== 404) found.add('undone', `${leaver.name} is gone, and their profile is answered with ${leaver.profile}`, { leaver: leaver.name });
    checkWords(leaver, found);
  }
}
