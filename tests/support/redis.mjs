// The stack's Redis, spoken to directly.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Wire } from './conformance.mjs';

export class Redis {
  static async of(stack) {
    const conf = await readFile(path.join(stack.dir, 'data/run/redis.conf'), 'utf8');
    const setting = (name) => conf.match(new RegExp(`^${name} (.*)$`, 'm'))[1];
    const redis = new Redis();
    redis.wire = await Wire.open({ host: setting('bind'), port: Number(setting('port')) });
    await redis.do('AUTH', setting('requirepass'));
    return redis;
  }

  /** Send a command; its reply is for do() or replies() to take. */
  write(...words) {
    const parts = words.map((word) => Buffer.from(String(word)));
    this.wire.write(Buffer.concat([Buffer.from(`*${parts.length}\r\n`),
      ...parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n')])]));
  }

  /** One line of reply. */
  async reply() {
    const end = await this.wire.until('a reply of Redis', () => this.wire.bytes.indexOf('\r\n') + 1);
    const line = this.wire.bytes.subarray(0, end - 1).toString();
    this.wire.bytes = this.wire.bytes.subarray(end + 1);
    return line;
  }

  /** A command whose reply is one line. */
  async do(...words) {
    this.write(...words);
    return this.reply();
  }

  end() { this.wire.end(); }
}

/** How often the services have lost Redis. */
const lossesOf = async (stack) => (await stack.logs({ tail: 1e7 })).split('"msg":"redis went away').length;

/**
 * The bus tells at most once (shared/bus/bus.h): typing, marks, and who has another name are in no store to be read
 * from, and lost where Redis stands still for a second. Run `body`; if it fails, and a service lost Redis meanwhile, again.
 */
export async function whileRedisStays(stack, body) {
  for (let left = stack.logs ? 3 : 0; ; left--) {
    const before = left > 0 && await lossesOf(stack);
    try {
      return await body();
    } catch (error) {
      if (left === 0 || await lossesOf(stack) === before) throw error;
    }
  }
}
