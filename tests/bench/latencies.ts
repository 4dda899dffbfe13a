/** How long requests take that are sent one after the other. */

/** Times in milliseconds, in no order. */
export type Times = number[];

/** How long one thing is measured. */
export interface Patience {
  /** At most so often. */
  times: number;
  /** Not for much longer than this, but at least twice. */
  mostMs: number;
}

/** Does something again and again; `n` counts up. The first time does not count. */
export async function timesOf(
  run: (n: number) => Promise<unknown>,
  { times, mostMs }: Patience,
): Promise<Times> {
  await run(0);
  const taken: Times = [];
  const startedAt = performance.now();
  for (let n = 1; n <= times && (n <= 2 || performance.now() - startedAt < mostMs); n++) {
    const before = performance.now();
    await run(n);
    taken.push(performance.now() - before);
  }
  return taken;
}

/** The time within which this share of the requests was answered. */
export function percentile(times: Times, share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
