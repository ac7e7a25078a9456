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
