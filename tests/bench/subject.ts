/** Things that are measured in turn, round after round, so that a slow minute of the machine hits all of them. */
import { type MeasuredServer, peakMemoryBytes, resetPeakMemory } from "./processes.ts";
import { type Measurement, median } from "./report.ts";

/** One thing to be measured. */
export interface Subject {
  name: string;
  /** Whose memory is measured; left out of what is no process of ours to look at. */
  server?: MeasuredServer;
  /** Whether it is the server that all this is about. */
  isOurs?: boolean;
  /** One round; returns a rate. */
  run: () => Promise<number>;
}

/** The outcome of one subject. */
export interface Series {
  subject: string;
  isOurs: boolean;
  rates: number[];
  /** The most memory that its server had resident in any round; `undefined` where the system does not tell. */
  peakBytes: number | undefined;
}

/** Measures all subjects `rounds` times, alternating. The outcomes are in the order of the subjects. */
export async function measureInTurn(subjects: Subject[], rounds: number): Promise<Series[]> {
  const all = subjects.map((subject) => ({
    subject,
    rates: new Array<number>(),
    peakBytes: new Array<number>(),
  }));
  for (let round = 0; round < rounds; round++) {
    for (const { subject, rates, peakBytes } of all) {
      if (subject.server) await resetPeakMemory(subject.server);
      rates.push(await subject.run());
      if (subject.server) peakBytes.push(...await peakMemoryBytes(subject.server));
    }
  }
  return all.map(({ subject, rates, peakBytes }) => ({
    subject: subject.name,
    isOurs: subject.isOurs ?? false,
    rates,
    peakBytes: peakBytes.length > 0 ? Math.max(...peakBytes) : undefined,
  }));
}

/** The medians of two subjects as a share. */
export function shareOf(one: Series, ceiling: Series): number {
  return median(one.rates) / median(ceiling.rates);
}

/** A series for the report, next to its ceilings. */
export function measurementOf(series: Series, unit: string, ceilings: Series[]): Measurement {
  return {
    subject: series.subject,
    unit,
    rounds: series.rates,
    shares: Object.fromEntries(ceilings.map((ceiling) => [ceiling.subject, shareOf(series, ceiling)])),
    peakMemoryBytes: series.peakBytes,
  };
}
