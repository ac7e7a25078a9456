// What calls for attention: the number in the title and the icon, a notification, a sound.
import { t } from '../strings.js';

const iconLink = document.querySelector('link[rel=icon]');
const plainIcon = iconLink?.href;

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

/** True if it could be shown; on some phones only a service worker may. */
export function notify({ title, body, tag, onOpen }) {
  if (!('Notification' in window) || Notification.permission !== 'granted') return false;
  try {
    const notification = new Notification(title, { body, tag, icon: plainIcon, silent: true });
    notification.onclick = () => { window.focus(); notification.close(); onOpen(); };
    return true;
  } catch {
    return false;
  }
}

let audio;

/** Two soft tones. Browsers let it sound once somebody has clicked on the page. */
export function playSound() {
  try {
    audio ??= new AudioContext();
    audio.resume().catch(() => {});
    const begin = audio.currentTime + 0.02;
    for (const [frequency, after] of [[660, 0], [880, 0.11]]) {
      const gain = audio.createGain();
      gain.gain.setValueAtTime(0.0001, begin + after);
      gain.gain.exponentialRampToValueAtTime(0.12, begin + after + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.0001, begin + after + 0.22);
      const tone = audio.createOscillator();
      tone.frequency.value = frequency;
      tone.connect(gain).connect(audio.destination);
      tone.start(begin + after);
      tone.stop(begin + after + 0.25);
    }
  } catch { /* no sound here */ }
}
