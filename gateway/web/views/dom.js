// Making elements and keeping them in place. Text always goes in as text, never as HTML.

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

/** Only what differs is written: a selection, or a screen reader, is not disturbed for nothing. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, isShown) {
  if (element.hidden === isShown) element.hidden = !isShown;
}

/**
 * Make `nodes` the children of `parent`, in this order. One that is in place is not touched, and
 * the one with the focus is never moved: the others move around it.
 */
export function place(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  const fixed = nodes.findIndex((node) => node.parentNode === parent && node.contains(document.activeElement));
  let next = fixed < 0 ? parent.firstElementChild : nodes[fixed].nextElementSibling;
  for (let i = fixed + 1; i < nodes.length; i++) {
    if (nodes[i] === next) next = next.nextElementSibling;
    else parent.insertBefore(nodes[i], next);
  }
  let previous = fixed < 0 ? null : nodes[fixed].previousElementSibling;
  for (let i = fixed - 1; i >= 0; i--) {
    if (nodes[i] === previous) previous = previous.previousElementSibling;
    else parent.insertBefore(nodes[i], previous ? previous.nextElementSibling : parent.firstElementChild);
  }
}

/** After an answer: is the focus still on what was pressed, or nowhere? Else it is somebody's who went on. */
export const isFree = (pressed) => [pressed, document.body].includes(document.activeElement);

/** What an avatar is drawn of: another one is drawn when this changes. */
export const faceOf = (person) => `${person._id} ${person.fullName} ${person.profilePic}`;

/** A person's picture, if it is ours: none of another site is loaded. Below it their initials, on a colour that their id chooses. */
export function avatar(person) {
  const initials = [...person.fullName.trim().matchAll(/(?:^|\s)(\S)/gu)].map((match) => match[1]);
  const text = (initials[0] ?? '?') + (initials.length > 1 ? initials.at(-1) : '');
  const hue = parseInt(person._id.slice(-4), 16) % 12;
  const picture = person.profilePic?.startsWith('/api/users/avatar/')
    ? h('img', { src: person.profilePic, alt: '', decoding: 'async', onerror: () => picture.remove() }) : null;
  return h('span', { class: `avatar hue-${hue}`, 'aria-hidden': 'true' }, text.toUpperCase(), picture);
}

/** What is said of somebody's presence; before the server has told, nothing. */
export const presenceOf = (person, t) =>
  person.online === undefined && person.status !== 'BUSY' ? ''
    : person.status === 'BUSY' ? (person.online === false ? t.busyOffline : t.busy)
      : person.online ? t.online : t.offline;

export const isPhone = matchMedia('(max-width: 45rem)');
export const isTouch = matchMedia('(pointer: coarse)');
