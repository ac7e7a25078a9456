// The HTTP API. Failures are Problems, whose message a person can read.

export class Problem extends Error {
  constructor(message, { code = '', status = 0 } = {}) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

const unreachable = 'The server cannot be reached. Check your connection and try again.';

/** What to show for an answer: the server's own words if they are meant for people. */
function problemOf(status, body, retryAfter) {
  const code = body?.code ?? '';
  if (status === 429) {
    const wait = Number(retryAfter) || 1;
    const when = wait > 90 ? `${Math.ceil(wait / 60)} minutes` : `${wait} second${wait === 1 ? '' : 's'}`;
    return new Problem(`Too many attempts. Please try again in ${when}.`, { code, status });
  }
  if (status >= 500) {
    return new Problem('The server is busy or being restarted. Please try again in a moment.', { code, status });
  }
  const text = typeof body?.error === 'string' ? body.error : 'Something went wrong. Please try again.';
  return new Problem(readable(text), { code, status });
}

const fields = { fullName: 'Full name', username: 'Username', password: 'Password', confirmPassword: 'The repeated password', gender: 'Gender', message: 'The message', note: 'The note' };

/** "fullName must be ..." as a person would say it. */
function readable(text) {
  return text.replace(/^(\w+)(?= )/, (word) => fields[word] ?? word);
}

async function call(method, path, body, headers = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(15000),
    });
  } catch {
    throw new Problem(unreachable);
  }
  const answer = await response.json().catch(() => undefined);
  if (!response.ok) throw problemOf(response.status, answer, response.headers.get('Retry-After'));
  return answer;
}

export const signUp = (form) => call('POST', '/api/auth/signup', form);
export const logIn = (form) => call('POST', '/api/auth/login', form);
export const logOut = () => call('POST', '/api/auth/logout');
export const me = () => call('GET', '/api/auth/me');
export const users = () => call('GET', '/api/users');
export const setStatus = (id, status, note) => call('POST', `/api/users/status/${id}`, { status, ...(note && { note }) });
/** The latest messages with someone, or those before a message. */
export const history = (id, limit, before) =>
  call('GET', `/api/messages/${id}?limit=${limit}${before ? `&before=${before}` : ''}`);
/** key makes a second try safe: the server stores it once. */
export const send = (id, message, key, socketId) => call('POST', `/api/messages/send/${id}`, { message }, {
  'Idempotency-Key': key,
  ...(socketId && { 'X-Socket-Id': socketId }),
});
