// What the kernel says about a process of ours.
import { readdir, readFile } from 'node:fs/promises';
import { waitUntil } from './wait.mjs';

/** [{pid, parent, name}] of all processes. */
export async function processes() {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')));
  return stats.filter(Boolean).map((stat) => {
    const [, pid, rest] = /^(\d+) .*\) . (\d+)/s.exec(stat);
    return { pid: Number(pid), parent: Number(rest) };
  });
}

/** kore's worker below `pid`: the only process without a child of its own. */
export const workerOf = (pid) => waitUntil('a worker', async () => {
  const all = await processes();
  let at = pid;
  for (let child; (child = all.find(({ parent }) => parent === at));) at = child.pid;
  return at !== pid && (await readFile(`/proc/${at}/cmdline`, 'utf8').catch(() => '')).startsWith('kore') && at;
});

/** Bytes of a process that are in memory. */
export async function residentBytes(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)[1]) * 1024;
}

/** Processor time that a process has used, in ms. */
export async function usedMs(pid) {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /s, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10; // utime, stime, in hundredths
}

/** A process and all below it. */
export async function treeOf(root) {
  const all = await processes();
  const tree = [root];
  for (let i = 0; i < tree.length; i++) tree.push(...all.filter(({ parent }) => parent === tree[i]).map(({ pid }) => pid));
  return tree;
}

const sumOver = async (root, of) => (await Promise.all((await treeOf(root)).map(of))).reduce((sum, x) => sum + x, 0);

/** Processor time of a process and all below it that live, in ms. */
export const treeUsedMs = (root) => sumOver(root, usedMs);

/** Their memory, in bytes; what they share with others counts in parts. */
export const treeBytes = (root) => sumOver(root, async (pid) => {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s*(\d+) kB$/m.exec(rollup)[1]) * 1024;
});
