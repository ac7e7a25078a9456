// Control groups that hold each process to the memory and the share of the processors that its package allows,
// and say what it holds.
//
// They are those of deploy/systemd/*.service; docker-compose.yml has the same. Version 1 of the kernel's
// interface, by root; elsewhere there is none, and the memory of processes is looked at instead.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { treeBytes } from '../../support/process.mjs';
import { root } from '../../support/stack.mjs';

const mount = '/sys/fs/cgroup/memory';
const cpuMount = '/sys/fs/cgroup/cpu';
/**
 * Who gets how much of the processors, if they are too few. 1,024 is each of the kernel's own threads, and each
 * other session. 0 is the kernel's idle class, where it has that: what nobody else wants, and the processor is
 * given up at once if anybody wakes. On a busy machine such a one would never run; there the stack has 64 times
 * the share of other sessions, and so goes on beside them, but the threads that write the disk come after it then,
 * too, so the data is kept in memory (main.mjs). What a process keeps there counts as its own to the kernel, which
 * is no harm of an attack: such a process may hold that much more, and it is not counted (`filesMost`).
 */
export const isBusyMachine = Boolean(process.env.BUSY_MACHINE);
const shares = isBusyMachine ? { stack: 65536, others: 65536, attackers: 4096 } : { stack: 1024, others: 1024, attackers: 0 };
const leastShare = 2;
const filesMost = isBusyMachine ? 2 ** 30 : 0;
/** Of whom shared memory is files of the data; the gateway's is its own. */
const keepsFiles = (kind) => isBusyMachine && kind !== 'gateway';
const nameOf = { 'llm-responder': 'responder', follow: 'follower' };

/** {bytes, weight} by kind of process, as run.sh calls it. */
function packaged() {
  const folder = path.join(root, 'deploy/systemd');
  return Object.fromEntries(readdirSync(folder).flatMap((file) => {
    const [, unit] = /^parley-([a-z-]+)@?\.service$/.exec(file) ?? [];
    if (!unit) return [];
    const text = readFileSync(path.join(folder, file), 'utf8');
    const [, mib] = /^MemoryMax=(\d+)M$/m.exec(text) ?? [];
    const [, weight] = /^CPUWeight=(\d+)$/m.exec(text) ?? [, '100'];
    return mib ? [[nameOf[unit] ?? unit, { bytes: Number(mib) * 1024 * 1024, weight: Number(weight) }]] : [];
  }));
}

/** "presence1" is of the kind "presence". */
export const kindOf = (name) => name.replace(/\d+$/, '');

/** Groups of this run and of those that are over; of one that was killed, too. */
function removeEmpty() {
  const remove = (folder) => { try { rmdirSync(folder); } catch { /* it is in use */ } };
  for (const parent of [mount, cpuMount].filter(existsSync)) {
    for (const name of readdirSync(parent).filter((each) => each.startsWith('parley-attacks-'))) {
      const pid = name.split('-')[2];
      if (pid !== String(process.pid) && existsSync(`/proc/${pid}`)) continue;
      const top = path.join(parent, name);
      for (const entry of readdirSync(top, { withFileTypes: true })) if (entry.isDirectory()) remove(path.join(top, entry.name));
      remove(top);
    }
  }
}

export class Groups {
  constructor() {
    const kinds = packaged();
    this.limits = Object.fromEntries(Object.entries(kinds).map(([kind, { bytes }]) => [kind, bytes]));
    this.top = path.join(mount, `parley-attacks-${process.pid}`);
    this.peaks = {};
    removeEmpty();
    try {
      mkdirSync(this.top);
      this.areReal = true;
    } catch { this.areReal = false; }
    this.cpuTop = path.join(cpuMount, path.basename(this.top));
    for (const [who, share] of Object.entries(this.areReal ? shares : {})) {
      const folder = `${this.cpuTop}-${who}`;
      mkdirSync(folder);
      const idle = path.join(folder, 'cpu.idle');
      if (share === 0 && existsSync(idle)) writeFileSync(idle, '1');
      else writeFileSync(path.join(folder, 'cpu.shares'), String(share || leastShare));
    }
    for (const [kind, bytes] of Object.entries(this.areReal ? this.limits : {})) {
      mkdirSync(path.join(this.top, kind));
      this.#write(kind, 'memory.limit_in_bytes', bytes + (keepsFiles(kind) ? filesMost : 0));
      this.#write(kind, 'memory.kmem.tcp.limit_in_bytes', bytes); // so that it is counted
      const cpu = path.join(`${this.cpuTop}-stack`, kind);
      mkdirSync(cpu);
      writeFileSync(path.join(cpu, 'cpu.shares'), String(Math.round(kinds[kind].weight * 10.24)));
    }
  }

  #write(kind, file, value) { writeFileSync(path.join(this.top, kind, file), String(value)); }
  #read(kind, file) { return readFileSync(path.join(this.top, kind, file), 'utf8'); }

  /**
   * A setsid in `folder`, to stand first in PATH: run.sh starts each process by it, which so is in the group of
   * its kind from the beginning. (auth sees its limit when it starts.)
   */
  writeStarter(folder) {
    mkdirSync(folder, { recursive: true });
    if (!this.areReal) return;
    const real = process.env.PATH.split(':').map((dir) => path.join(dir, 'setsid')).find(existsSync);
    writeFileSync(path.join(folder, 'setsid'), `#!/bin/bash
case " $*" in
*/llm-responder) kind=responder ;;
*"/gateway-follow "*) kind=follower ;;
*" nginx -p "*) kind=gateway ;;
*" redis-server "*) kind=redis ;;
*) kind=\${PWD##*/} kind=\${kind%%[0-9]*} ;;
esac
echo $$ >"${this.top}/$kind/cgroup.procs"
echo $$ >"${this.cpuTop}-stack/$kind/cgroup.procs"
exec ${real} "$@"
`, { mode: 0o755 });
  }

  /** Let a process have the processors as `who` does: attackers come after those whom they attack. */
  prefer(who, pid) { if (this.areReal) writeFileSync(path.join(`${this.cpuTop}-${who}`, 'cgroup.procs'), String(pid)); }

  /**
   * Let a process, and each thread that it has or gets, have a processor at once: whoever measures has a machine of
   * their own. By its share alone it waited for up to 90 ms behind a thread of the stack, on one processor, while the
   * attackers' clients had the other: of a group that wakes on a processor where it did not run the kernel (6.18)
   * takes next to no share at first. Processes of the stack, which run on both all the time, waited for 12 at most.
   */
  putFirst(pid) {
    if (!this.areReal) return;
    writeFileSync(path.join(cpuMount, 'cgroup.procs'), String(pid)); // other groups have no real time
    execFileSync('chrt', ['--all-tasks', '--fifo', '--pid', '1', String(pid)]);
  }

  /** Bytes that no pressure gives back: all but pages of files; with what the kernel holds for its sockets. */
  async held(name, pid) {
    if (!this.areReal) return treeBytes(pid);
    const kind = kindOf(name);
    const stat = Object.fromEntries(this.#read(kind, 'memory.stat').split('\n').map((line) => line.split(' ')));
    return Number(this.#read(kind, 'memory.usage_in_bytes')) + Number(this.#read(kind, 'memory.kmem.tcp.usage_in_bytes'))
      - Number(stat.inactive_file) - Number(stat.active_file) - (keepsFiles(kind) ? Number(stat.shmem) : 0);
  }

  /** Look at each of `pids` {name: pid}; `peaks` keeps the most. */
  async sample(pids) {
    for (const [name, pid] of Object.entries(pids)) {
      const bytes = await this.held(name, pid).catch(() => 0);
      this.peaks[name] = Math.max(this.peaks[name] ?? 0, bytes);
    }
  }

  /** How often the kernel has ended a process of that kind. */
  kills(kind) {
    return this.areReal ? Number(/oom_kill (\d+)/.exec(this.#read(kind, 'memory.oom_control'))?.[1] ?? 0) : 0;
  }

  remove() {
    if (this.areReal) writeFileSync(path.join(cpuMount, 'cgroup.procs'), String(process.pid));
    removeEmpty();
  }
}
