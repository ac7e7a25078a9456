// What calls for attention of who does not look: a notification, a sound.
import { plainIcon } from './attention.js';

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
