// Who is logged in: whether that is still so, and the ways out.
import * as api from './core/api.js';
import { hashOf } from './core/route.js';
import { tellOtherTabs } from './storage.js';
import { t } from './strings.js';

export class Session {
  isVerified = true; // nothing is sent before it is known who would be sending
  #asked = 0; // how often that was to be looked up

  constructor(chat) { this.chat = chat; }

  /** Run a request; a session that has ended leads back to the form. */
  async attempt(request) {
    try {
      return await request();
    } catch (problem) {
      if (problem.status === 401) this.#ended(problem, t.ended);
      throw problem;
    }
  }

  async #ended(problem, notice) {
    const { chat } = this;
    if (chat.isOver) return;
    await endAmbiguous(problem);
    if (!chat.isOver) chat.leave(notice);
  }

  /** Still the same person? Nothing is sent before that is known. */
  verify() {
    const { chat } = this;
    this.isVerified = false;
    this.#asked++;
    chat.words.pause();
    chat.again.try('me', async () => {
      const asked = this.#asked;
      const user = await this.attempt(() => api.me());
      if (chat.isOver) return;
      if (user._id !== chat.user._id) { chat.changeTo(user); return; }
      chat.learn({ statusNote: undefined, ...user });
      this.isVerified = asked === this.#asked; // else it was of before
      chat.resume();
    });
  }

  /** The socket's session is over. Whether ours is, too, /me knows; until it says so nothing is claimed. */
  refused() {
    const { chat } = this;
    chat.again.try('refused', async () => {
      const user = await api.me().catch((problem) => (problem.status === 401 ? this.#ended(problem, t.loggedOut) : Promise.reject(problem)));
      if (chat.isOver || !user) return;
      if (user._id !== chat.user._id) chat.changeTo(user);
      else chat.socket.open(true);
    });
  }

  async logOut(request = api.logOut, notice) {
    const { chat } = this;
    try {
      await request();
    } catch (problem) {
      if (problem.status !== 401) { chat.tell(t.logOutFailed(problem.message)); return problem; }
    }
    this.leave(notice);
    return undefined;
  }

  /** It is over, here and in other tabs. */
  leave(notice) {
    if (this.chat.isOver) return; // it was said twice
    history.replaceState(null, '', hashOf(null));
    tellOtherTabs('');
    this.chat.leave(notice);
  }
}

/** Cookies of two people's sessions: a log-in alone would leave the other's beside the new one. */
export async function endAmbiguous(problem) {
  if (problem.code === 'AMBIGUOUS_SESSION') await api.logOut().catch(() => {});
}

/** What is wrong with a request is wrong with the next one, too: only other failures are thrown. */
export function isRefused(problem) {
  if (problem.status < 400 || problem.status >= 500 || problem.status === 429 || problem.status === 401) throw problem;
}
