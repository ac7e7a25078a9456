// What the page keeps in the browser, and tells its other tabs by it.

export const storage = (() => {
  try { localStorage.getItem('parley'); return localStorage; } catch { return null; }
})();

/** Other tabs look who is logged in, at once. */
export function tellOtherTabs(userId) {
  try { storage?.setItem('parley.session', `${userId} ${Date.now()}`); } catch { /* full: they look when they are looked at */ }
}

const noted = () => storage?.getItem('parley.looked') ?? '';

/** Nobody needs to be called for this message any more: of the last twenty. */
export function note(id) {
  try { storage?.setItem('parley.looked', `${noted()} ${id}`.slice(-500)); } catch { /* full */ }
}

export const isNoted = (id) => noted().includes(id);

export function readPrefs(userId) {
  try { return JSON.parse(storage?.getItem(`parley.prefs.${userId}`) ?? '{}'); } catch { return {}; }
}

export function keepPrefs(userId, prefs) {
  try { storage?.setItem(`parley.prefs.${userId}`, JSON.stringify(prefs)); } catch { /* full */ }
}

/** Nothing of somebody who has deleted their account stays in the browser. */
export function forgetAll(userId) {
  for (const name of Object.keys(storage ?? {})) if (name.includes(userId)) storage.removeItem(name);
}
