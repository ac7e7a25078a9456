// Making elements. Text always goes in as text, never as HTML.

/** h('button', {class: 'x', onclick: f, hidden: true}, 'text', child, ...) */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (typeof value === 'boolean') element.toggleAttribute(name, value);
    else if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A person's initials on a colour that their id chooses: no picture of another site is loaded. */
export function avatar(person) {
  const initials = [...person.fullName.trim().matchAll(/(?:^|\s)(\S)/gu)].map((match) => match[1]);
  const text = (initials[0] ?? '?') + (initials.length > 1 ? initials.at(-1) : '');
  const hue = parseInt(person._id.slice(-4), 16) % 12;
  return h('span', { class: `avatar hue-${hue}`, 'aria-hidden': 'true' }, text.toUpperCase());
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

export const timeOf = (iso) => clock.format(new Date(iso));

export function dayOf(iso) {
  const date = new Date(iso);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86400000);
  return days === 0 ? 'Today' : days === 1 ? 'Yesterday' : day.format(date);
}
