// What calls for attention without a word: the number in the title and the icon.
import { t } from '../strings.js';

const iconLink = document.querySelector('link[rel=icon]');
export const plainIcon = iconLink?.href;

function iconWith(n) {
  const text = n > 99 ? '99' : String(n);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="9" fill="#2f6f5e"/><path d="M6 9h18v13h-9l-5 4v-4H6z" fill="#fff"/><circle cx="21" cy="11" r="11" fill="#c4321f"/><text x="21" y="16" text-anchor="middle" font-family="sans-serif" font-weight="bold" font-size="${text.length > 1 ? 13 : 15}" fill="#fff">${text}</text></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

let shown = 0;

export function showCount(n) {
  const title = n > 0 ? t.titleWith(n > 999 ? '999+' : n) : t.app;
  if (document.title !== title) document.title = title;
  if (n === shown || !iconLink) return;
  shown = n;
  iconLink.href = n > 0 ? iconWith(n) : plainIcon;
}
