// The order of messages, the same everywhere: when they were written, then by id.

export const byTime = (a, b) =>
  a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : a._id < b._id ? -1 : a._id > b._id ? 1 : 0;

/** The millisecond (by the second) that an ObjectId was drawn at. */
const secondOf = (id) => parseInt(id.slice(0, 8), 16);

/**
 * Is a message within a mark, which is the id of the last one that was read or delivered?
 * If the mark's message is not known, the second in its id decides.
 */
export function isWithin(message, mark, known) {
  if (!mark) return false;
  if (mark === message._id) return true;
  const marked = known?.get(mark);
  if (marked) return byTime(message, marked) <= 0;
  const written = Math.floor(Date.parse(message.createdAt) / 1000);
  const second = secondOf(mark);
  return written === second ? message._id <= mark : written < second;
}

/** The later of two marks; either may be missing. */
export function laterMark(a, b, known) {
  if (!a || !b) return a ?? b ?? null;
  const message = known?.get(b);
  if (message) return isWithin(message, a, known) ? a : b;
  return secondOf(a) > secondOf(b) || (secondOf(a) === secondOf(b) && a >= b) ? a : b;
}

/** Is one mark surely before another? Of one second that is not known without their messages. */
export function isBefore(a, b, known) {
  const [one, other] = [known.get(a), known.get(b)];
  return one && other ? byTime(one, other) < 0 : secondOf(a) < secondOf(b);
}

/** Where to put `item` into a list that is in the order of `compare`. Most go to the end. */
export function placeOf(list, item, compare) {
  let low = 0;
  let high = list.length;
  if (high === 0 || compare(list[high - 1], item) <= 0) return high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(list[middle], item) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
