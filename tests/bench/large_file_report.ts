/** What the group `objects` reports, and what it holds the server to. */
import { atLeast, type Bar, type GroupReport, lessMemoryThan } from "./report.ts";
import { measurementOf, type Series, shareOf } from "./subject.ts";

/** What the server may have resident, whatever the size of a file. */
const MEMORY_LIMIT_BYTES = 250 * 2 ** 20;

/** By how much its peak may grow from the smallest file to the largest. */
const GROWTH_LIMIT_BYTES = 64 * 2 ** 20;

/** Which share of another subject one of ours has to reach. */
export interface Goal {
  ours: string;
  next: string;
  least: number;
}

/** Files of one size that went one way. */
export interface LargeFiles {
  direction: "upload" | "download";
  /** Where the server keeps them. */
  place: string;
  sizeBytes: number;
  series: Series[];
  goals: Goal[];
  /** Beside the number of rounds. */
  notes: string[];
}

/** The report of one size and direction. Each series is compared with those after it, ours come first. */
export function largeFileReport(files: LargeFiles): GroupReport {
  const { direction, place, sizeBytes, series, goals, notes } = files;
  const bars = goals.flatMap((goal) => shareBar(files, goal));
  for (const { subject, peakBytes } of ownSeries(files)) {
    bars.push(lessMemoryThan(`peak memory of the server, ${subject}`, peakBytes, MEMORY_LIMIT_BYTES));
  }
  return {
    title: `objects: ${direction} of ${mebibytes(sizeBytes)} MiB, ${place}`,
    notes: [`rounds, alternating: ${series[0]?.rates.length}`, ...notes],
    measurements: series.map((one, n) => measurementOf(one, "MB/s", series.slice(n + 1))),
    bars,
  };
}

/** How the memory grew with the size of the files: the largest next to the smallest, each on a server of its own. */
export function growthReports(all: LargeFiles[]): GroupReport[] {
  const sizesBytes = all.map(({ sizeBytes }) => sizeBytes);
  const [least, most] = [Math.min(...sizesBytes), Math.max(...sizesBytes)];
  if (!(least < most)) return [];
  const bars = all.filter(({ sizeBytes }) => sizeBytes === most).flatMap((large): Bar[] => {
    const isSame = (one: LargeFiles) => one.direction === large.direction && one.place === large.place;
    const small = all.find((one) => one.sizeBytes === least && isSame(one));
    if (!small) return [];
    return ownSeries(large).flatMap(({ subject, peakBytes }) => {
      const before = ownSeries(small).find((one) => one.subject === subject);
      const name = `${large.place}, ${subject}`;
      return before ? [lessMemoryThan(name, peakBytes - before.peakBytes, GROWTH_LIMIT_BYTES)] : [];
    });
  });
  const title = `objects: more peak memory for ${mebibytes(most)} MiB than for ${mebibytes(least)} MiB`;
  return [{ title, notes: ["each size has a server of its own"], measurements: [], bars }];
}

/** A part that this machine can't measure, and why. */
export function skippedReport(place: string, reason: string): GroupReport {
  return { title: `objects: ${place} skipped: ${reason}`, notes: [], measurements: [], bars: [] };
}

/** A goal next to something that this machine does not have is no bar. */
function shareBar({ direction, series }: LargeFiles, { ours, next, least }: Goal): Bar[] {
  const one = series.find(({ subject }) => subject === ours);
  const other = series.find(({ subject }) => subject === next);
  return one && other ? [atLeast(`${direction}, ${ours} next to "${next}"`, shareOf(one, other), least)] : [];
}

/** The series of our server, where the system tells its memory. */
function ownSeries({ series }: LargeFiles): { subject: string; peakBytes: number }[] {
  return series.flatMap(({ subject, isOurs, peakBytes }) =>
    isOurs && peakBytes !== undefined ? [{ subject, peakBytes }] : []
  );
}

function mebibytes(bytes: number): number {
  return bytes / 2 ** 20;
}
