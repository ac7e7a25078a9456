// Times as people say them, by the browser's clock and language.

const format = (options) => new Intl.DateTimeFormat(undefined, options);
const clock = format({ hour: '2-digit', minute: '2-digit' });
const longDay = format({ weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
const full = format({ dateStyle: 'full', timeStyle: 'medium' });
const weekday = format({ weekday: 'short' });
const shortDay = format({ day: 'numeric', month: 'short' });
const oldDay = format({ day: 'numeric', month: 'short', year: 'numeric' });

const midnightOf = (time) => new Date(time).setHours(0, 0, 0, 0);

/** How many days ago, by the calendar. */
export const daysAgo = (iso, now = Date.now()) => Math.round((midnightOf(now) - midnightOf(Date.parse(iso))) / 86400000);

export const timeOf = (iso) => clock.format(new Date(iso));

export const fullTimeOf = (iso) => full.format(new Date(iso));

/** The heading of a day. */
export function dayOf(iso, words, now = Date.now()) {
  const days = daysAgo(iso, now);
  return days === 0 ? words.today : days === 1 ? words.yesterday : longDay.format(new Date(iso));
}

/** For a list: the time of today, else the day. */
export function shortTimeOf(iso, words, now = Date.now()) {
  const days = daysAgo(iso, now);
  const date = new Date(iso);
  if (days <= 0) return clock.format(date);
  if (days === 1) return words.yesterday;
  if (days < 7) return weekday.format(date);
  return (date.getFullYear() === new Date(now).getFullYear() ? shortDay : oldDay).format(date);
}

/** Milliseconds until the day changes. */
export const untilMidnight = (now = Date.now()) => new Date(now).setHours(24, 0, 0, 0) - now;
