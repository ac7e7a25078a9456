// The HTTP API. Failures are Problems, whose message a person can read.
import { t } from '../strings.js';

export class Problem extends Error {
  constructor(message, { code = '', status = 0, field = '', retryAfter } = {}) {
    super(message);
    this.retryAfter = retryAfter; // in seconds, if the answer says it
    this.code = code;
    this.status = status; // 0: no answer came
    this.field = field;
  }
}

/** What an answer means, in words that people use: loaded with the first that means no good. */
async function problemOf(status, body, retryAfter) {
  const code = body?.code ?? '';
  if (status === 401) return new Problem(body?.error ?? t.wentWrong, { code, status }); // it only says that one is not logged in
  if (status >= 500 && status !== 507) return new Problem(t.serverBusy, { code, status });
  try {
    const { meaningOf } = await import('./problems.js');
    const { message, field } = meaningOf(status, body, retryAfter);
    return new Problem(message, { code, status, field, retryAfter: Number(retryAfter) || undefined });
  } catch {
    return new Problem(t.wentWrong, { code, status });
  }
}

async function request(method, path, body, headers = {}) {
  const isFile = body instanceof Blob;
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { ...(body !== undefined && { 'Content-Type': isFile ? body.type : 'application/json' }), ...headers },
      body: body === undefined || isFile ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(isFile ? 60000 : 15000),
    });
  } catch {
    throw new Problem(t.unreachable);
  }
  const answer = await response.json().catch(() => undefined);
  if (!response.ok) throw await problemOf(response.status, answer, response.headers.get('Retry-After'));
  if (answer === undefined) throw new Problem(t.serverBusy, { status: 502 });
  return { answer, headers: response.headers };
}

export const call = async (...args) => (await request(...args)).answer;

/** Where the next page is: Link, as RFC 8288 has it, with rel="next". */
export const nextOf = (link) => /<([^>]+)>\s*;[^,]*\brel="?next"?/i.exec(link ?? '')?.[1];

async function page(path) {
  const { answer, headers } = await request('GET', path);
  return { items: answer, next: nextOf(headers.get('Link')) };
}

/** When it was asked for: what has happened since is not in the answer. */
async function dated(asking) {
  const askedAt = performance.now();
  const answer = await asking;
  for (const item of answer.items ?? [answer].flat()) item.askedAt = askedAt;
  return answer;
}

export const logOut = () => call('POST', '/api/auth/logout');
export const me = () => dated(call('GET', '/api/auth/me'));
/** {gender, editMs, aheadMs}: of oneself; so long after it was written a message may be edited; so far is the server's clock ahead. */
export async function settings() {
  const { answer, headers } = await request('GET', '/api/auth/settings');
  return { gender: answer.gender, editMs: 1000 * answer.messageEditSeconds, aheadMs: (Date.parse(headers.get('Date')) || Date.now()) - Date.now() };
}
export const setStatus = (id, status, note) => call('POST', `/api/users/status/${id}`, { status, ...(note && { note }) });

/** Pages {items, next}; next is what to ask for the following one. */
export const people = (next) => dated(page(next ?? '/api/users?limit=50'));
export const search = (text, next) => dated(page(next ?? `/api/users?limit=50&q=${encodeURIComponent(text)}`));
export const conversations = (next) => dated(page(next ?? '/api/conversations?limit=30'));
export const latestConversations = (limit) => dated(call('GET', `/api/conversations?limit=${limit}`));
export const conversation = (id) => dated(call('GET', `/api/conversations/${id}`));

/** The latest messages with someone, or those before a message. */
export const history = (id, limit, before) =>
  call('GET', `/api/messages/${id}?limit=${limit}${before ? `&before=${before}` : ''}`);
/** The socket that an X-Socket-Id names is not told: it has the answer. */
const fromSocket = (id) => (id ? { 'X-Socket-Id': id } : {});
export const markRead = (id, upTo, socketId) => call('POST', `/api/messages/read/${id}`, { upTo }, fromSocket(socketId));
/** key makes a second try safe: the server stores it once. */
export const send = (id, message, key, socketId) => call('POST', `/api/messages/send/${id}`, { message }, { 'Idempotency-Key': key, ...fromSocket(socketId) });
export const editMessage = (id, message, socketId) => call('PATCH', `/api/messages/message/${id}`, { message }, fromSocket(socketId));
export const deleteMessage = (id, socketId) => call('DELETE', `/api/messages/message/${id}`, undefined, fromSocket(socketId));

export const blocked = () => call('GET', '/api/users/blocked');
export const block = (id) => call('POST', `/api/users/block/${id}`);
export const unblock = (id) => call('DELETE', `/api/users/block/${id}`);
