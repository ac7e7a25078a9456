// Changing JWT_SECRET: who stays logged in, and what the secret of before is still good for (issue 15, point 12).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Person, call } from '../support/api.mjs';
import { mernClaims, now, signJwt } from '../support/jwt.mjs';
import { Stack } from '../support/stack.mjs';
import { waitUntil, withDeadline } from '../support/wait.mjs';

const [old, fresh] = ['the first secret of these tests, long enough', 'the second secret of these tests, long enough'];
const day = 86400;

const statusesOf = async (url, token) => Promise.all(['/api/auth/me', '/api/users', `/api/messages/${'0'.repeat(24)}`].map(
  async (path) => (await call(url, 'GET', path, undefined, { cookie: `jwt=${token}` })).status));

describe('a new JWT_SECRET', () => {
  test('logs nobody out, and under the one before nothing new is good, also after another start', async () => {
    let stack = await Stack.start({ JWT_SECRET: old });
    const again = async (settings) => {
      await stack.stop({ keep: true });
      stack = await Stack.start(settings, { dir: stack.dir, port: stack.port });
    };
    try {
      const ann = await Person.signUp(stack.url, 'ann');
      const mine = ann.cookie.split('=')[1];
      const mern = mernClaims(ann.id);
      const goes = async (token) => assert.deepEqual((await statusesOf(stack.url, token)).map((status) => status === 401), [false, false, false]);
      const isRefused = async (token) => assert.deepEqual(await statusesOf(stack.url, token), [401, 401, 401]);
      await waitUntil('the next second', () => now() > mern.iat + 1);

      for (let start = 0; start < 2; start++) {
        await again({ JWT_SECRET: fresh, JWT_SECRET_PREVIOUS: old });
        await goes(mine);
        await goes(signJwt(mern, old));
        await goes(signJwt({ ...mern, exp: mern.iat + 399 * day }, old));
        await isRefused(signJwt({ ...mern, exp: now() + 401 * day }, old));
        await isRefused(signJwt({ ...mern, exp: now() + 20 * 365 * day }, old));
        const ready = now();
        await waitUntil('the next second', () => now() > ready);
        await isRefused(signJwt({ ...mernClaims(ann.id), iat: now() }, old));
        await isRefused(signJwt({ ...mernClaims(ann.id), iat: now(), jti: 'x'.repeat(22) }, old));
        await goes(signJwt({ ...mernClaims(ann.id), exp: now() + 500 * day }, fresh));
      }
      const next = (await ann.logIn()).cookies[0].split(';')[0].split('=')[1];
      await again({ JWT_SECRET: fresh });
      await isRefused(mine);
      await goes(next);
    } catch (error) {
      await stack.printLogs();
      throw error;
    } finally {
      await stack.stop();
    }
  });

  for (const weak of ['secret', 'Change-Me', 'secret123', 'aaaaaaaa', 'your-256-bit-secret']) {
    test(`does not start with "${weak}" as the one before, and names the variable`, async () => {
      const stack = await Stack.spawn({ JWT_SECRET: fresh, JWT_SECRET_PREVIOUS: weak });
      try {
        const { code } = await withDeadline('the end', stack.ended, 20000);
        assert.equal(code, 78, stack.output);
        assert.match(stack.output, /^parley: JWT_SECRET_PREVIOUS (is a well-known|repeats a short)[^\n]*\n$/);
        assert.ok(weak === 'secret' || !stack.output.includes(weak), 'its value is not told');
      } finally {
        await stack.stop();
      }
    });
  }
});
