/** What a minute of a soak was like: the process as Linux shows it (proc(5)), and how long each kind of work took. */
import { percentile, type Times } from "../bench/latencies.ts";

const KIB = 1024;
const MIB = KIB * KIB;

/** Clock ticks a second, in which Linux counts processor time on every machine that Deno runs on (proc_pid_stat(5)). */
const TICKS_PER_SECOND = 100;

/** A process at one moment. */
export interface Process {
  atMs: number;
  residentBytes: number;
  /** Of those, what no file backs: the heaps. */
  anonymousBytes: number;
  descriptors: number;
  threads: number;
  processorSeconds: number;
}

/** A minute between two moments. */
export interface Minute {
  before: Process;
  now: Process;
  /** In milliseconds, by kind. */
  times: Map<string, Times>;
}

/** Looks at a process; needs every permission, since it reads in `/proc`. */
export async function processOf(pid: number): Promise<Process> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]) * KIB;
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  // The name of the program, in parentheses, may hold blanks; user and system time are fields 14 and 15.
  const [user = NaN, system = NaN] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13).map(
    Number,
  );
  return {
    atMs: Date.now(),
    residentBytes: kib("VmRSS"),
    anonymousBytes: kib("RssAnon"),
    descriptors: (await Array.fromAsync(Deno.readDir(`/proc/${pid}/fd`))).length,
    threads: Number(/^Threads:\s+(\d+)/m.exec(status)?.[1]),
    processorSeconds: (user + system) / TICKS_PER_SECOND,
  };
}

/** A minute as a line. */
export function describe(number: number, minute: Minute | undefined): string {
  if (!minute) return "";
  const { before, now, times } = minute;
  const share = (now.processorSeconds - before.processorSeconds) / ((now.atMs - before.atMs) / 1000);
  const process = [
    `min ${number}`,
    `rss ${mib(now.residentBytes)}`,
    `anon ${mib(now.anonymousBytes)}`,
    `fds ${now.descriptors}`,
    `threads ${now.threads}`,
    `cpu ${Math.round(share * 100)} %`,
  ];
  const latencies = [...times].sort(([a], [b]) => a < b ? -1 : 1)
    .map(([kind, all]) => `${kind} ${ms(percentile(all, 0.5))}/${ms(percentile(all, 0.99))}`);
  return `${process.join(", ")} | p50/p99 ms: ${latencies.join(", ")}`;
}

/** The first sixth of the minutes next to the last: an hour's first ten. */
export function compare(minutes: readonly Minute[]): string {
  const size = Math.max(1, Math.floor(minutes.length / 6));
  const [first, last] = [minutes.slice(0, size), minutes.slice(-size)];
  const lines = [`first ${size} min | last ${size} min | last / first`];
  const add = (name: string, valueOf: (some: readonly Minute[]) => number) => {
    const [a, b] = [valueOf(first), valueOf(last)];
    lines.push(`${name}: ${a.toFixed(1)} | ${b.toFixed(1)} | ${(b / a).toFixed(2)}`);
  };
  add("rss MiB", (some) => mean(some.map(({ now }) => now.residentBytes / MIB)));
  add("anonymous MiB", (some) => mean(some.map(({ now }) => now.anonymousBytes / MIB)));
  add("descriptors", (some) => mean(some.map(({ now }) => now.descriptors)));
  add("threads", (some) => mean(some.map(({ now }) => now.threads)));
  const kinds = [...new Set(minutes.flatMap(({ times }) => [...times.keys()]))].sort();
  for (const kind of kinds) {
    const timesOf = (some: readonly Minute[]) => some.flatMap(({ times }) => times.get(kind) ?? []);
    add(`${kind} p50 ms`, (some) => percentile(timesOf(some), 0.5));
    add(`${kind} p99 ms`, (some) => percentile(timesOf(some), 0.99));
  }
  return lines.join("\n");
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}

function ms(value: number): string {
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
}
