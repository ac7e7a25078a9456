// Session tokens made by hand, as another program with the same secret makes them, or badly.
import { createHmac } from 'node:crypto';

const hashes = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' };
const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** `claims` may be an object, or JSON text as it shall stand. An alg without a hash signs nothing. */
export function signJwt(claims, secret, header = {}) {
  const head = { alg: 'HS256', typ: 'JWT', ...header };
  const text = `${encode(head)}.${encode(claims)}`;
  const hash = hashes[head.alg];
  return `${text}.${hash ? createHmac(hash, secret).update(text).digest('base64url') : ''}`;
}

export const now = () => Math.floor(Date.now() / 1000);

/** What jsonwebtoken signs in a MERN app: no jti. */
export const mernClaims = (userId) => ({ userId, iat: now(), exp: now() + 15 * 86400 });
