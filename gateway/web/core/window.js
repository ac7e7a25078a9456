// Which rows of a long list are on the screen.

/** The first row and the one after the last; `spare` rows more on each side. */
export function rowsWithin({ top, height, rowHeight, count, spare = 6 }) {
  const first = Math.max(0, Math.floor(top / rowHeight) - spare);
  const end = Math.min(count, Math.ceil((top + height) / rowHeight) + spare);
  return { first: Math.min(first, end), end };
}
