// The HTTP API. Failures are Problems, whose message a person can read.
import { t } from '../strings.js';

export class Problem extends Error {
  constructor(message, { code = '', status = 0, field = '' } = {}) {
    super(message);
    this.code = code;
    this.status = status; // 0: no answer came
    this.field = field;
  }
}

const byCode = {
  OFFLINE: t.offlineNow, RECIPIENT_OFFLINE: t.recipientOffline, BLOCKED: t.blocked, USER_NOT_FOUND: t.userGone, QUOTA: t.quota, STORAGE_FULL: t.full,
};
const byField = {
  fullName: t.namePlain, username: t.usernamePlain, password: t.passwordPlain, message: t.messagePlain, note: t.noteTooLong, gender: t.genderPlain,
};

/** What an answer means, in words that people use. */
function problemOf(status, body, retryAfter) {
  const code = body?.code ?? '';
  const text = typeof body?.error === 'string' ? body.error : t.wentWrong;
  const field = code === 'INVALID_FIELD' ? /^\w+/.exec(text)?.[0] : '';
  const least = field === 'password' ? /at least (\d+) /.exec(text)?.[1] : undefined;
  const message = byCode[code] ?? (status === 429 ? t.tooMany(Number(retryAfter) || 1)
    : status >= 500 ? t.serverBusy
    : status === 413 ? t.tooBig
    : least ? t.passwordLeast(Number(least))
    : byField[field] ?? text);
  return new Problem(message, { code, status, field });
}

async function request(method, path, body, headers = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(15000),
    });
  } catch {
    throw new Problem(t.unreachable);
  }
  const answer = await response.json().catch(() => undefined);
  if (!response.ok) throw problemOf(response.status, answer, response.headers.get('Retry-After'));
  if (answer === undefined) throw new Problem(t.serverBusy, { status: 502 });
  return { answer, headers: response.headers };
}

const call = async (...args) => (await request(...args)).answer;

/** Where the next page is: Link, as RFC 8288 has it, with rel="next". */
export const nextOf = (link) => /<([^>]+)>\s*;[^,]*\brel="?next"?/i.exec(link ?? '')?.[1];

async function page(path) {
  const { answer, headers } = await request('GET', path);
  return { items: answer, next: nextOf(headers.get('Link')) };
}

export const signUp = (form) => call('POST', '/api/auth/signup', form);
export const logIn = (form) => call('POST', '/api/auth/login', form);
export const logOut = () => call('POST', '/api/auth/logout');
export const logOutEverywhere = () => call('POST', '/api/auth/logout-all');
export const me = () => call('GET', '/api/auth/me');
export const profile = (id) => call('GET', `/api/users/profile/${id}`);
export const setStatus = (id, status, note) => call('POST', `/api/users/status/${id}`, { status, ...(note && { note }) });

/** Pages {items, next}; next is what to ask for the following one. */
export const people = (next) => page(next ?? '/api/users?limit=50');
export const search = (text, next) => page(next ?? `/api/users?limit=50&q=${encodeURIComponent(text)}`);
export const conversations = (next) => page(next ?? '/api/conversations?limit=30');
export const latestConversations = (limit) => call('GET', `/api/conversations?limit=${limit}`);
export const conversation = (id) => call('GET', `/api/conversations/${id}`);

/** The latest messages with someone, or those before a message. */
export const history = (id, limit, before) =>
  call('GET', `/api/messages/${id}?limit=${limit}${before ? `&before=${before}` : ''}`);
export const markRead = (id, upTo) => call('POST', `/api/messages/read/${id}`, { upTo });
/** key makes a second try safe: the server stores it once. */
export const send = (id, message, key, socketId) => call('POST', `/api/messages/send/${id}`, { message }, {
  'Idempotency-Key': key,
  ...(socketId && { 'X-Socket-Id': socketId }),
});
