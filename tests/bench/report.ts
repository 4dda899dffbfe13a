/** What the groups measure, as text for a reader and as JSON for a program. */

/** One thing measured, in all rounds. */
export interface Measurement {
  subject: string;
  unit: string;
  rounds: number[];
  /** Its median in shares of the medians of others, by their names. */
  shares: Record<string, number>;
  /** The most memory the server had resident in any round. */
  peakMemoryBytes: number | undefined;
}

/** What a measurement is held to. */
export interface Bar {
  name: string;
  value: number;
  /** As a reader should see it. */
  shown: string;
  isMet: boolean;
}

/** The outcome of one group. */
export interface GroupReport {
  title: string;
  /** How it was measured. */
  notes: string[];
  measurements: Measurement[];
  /** What is no measurement of rates. */
  table?: { heads: string[]; rows: string[][] };
  bars: Bar[];
}

/** The middle of the rounds. */
export function median(rounds: number[]): number {
  const sorted = rounds.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** A bar that a share has to reach. */
export function atLeast(name: string, value: number, least: number): Bar {
  return {
    name,
    value,
    shown: `${percent(value)}, to be at least ${percent(least)}`,
    isMet: value >= least,
  };
}

/** A bar that a time has to stay under. */
export function atMost(name: string, value: number, most: number, unit: string): Bar {
  const shown = `${value.toFixed(1)} ${unit}, to be at most ${most} ${unit}`;
  return { name, value, shown, isMet: value <= most };
}

/** A bar that memory has to stay under. */
export function lessMemoryThan(name: string, peakBytes: number, limitBytes: number): Bar {
  const shown = `${mebibytes(peakBytes)} MiB, to be less than ${mebibytes(limitBytes)} MiB`;
  return { name, value: peakBytes, shown, isMet: peakBytes < limitBytes };
}

/** A report as lines of text. */
export function formatReport({ title, notes, measurements, table, bars }: GroupReport): string {
  const lines = [title, ...notes.map((note) => `  ${note}`)];
  if (measurements.length > 0) {
    const heads = ["", "median", "rounds", "peak memory", "compared"];
    lines.push("", ...align([heads, ...measurements.map(row)]));
  }
  if (table) lines.push("", ...align([table.heads, ...table.rows]));
  if (bars.length > 0) lines.push("");
  for (const { name, shown, isMet } of bars) lines.push(`${isMet ? "pass " : "short"}  ${name}: ${shown}`);
  return `${lines.join("\n")}\n`;
}

/** A report as it goes into a JSON file, medians included. */
export function reportJson(report: GroupReport): Record<string, unknown> {
  const measurements = report.measurements.map((one) => ({ ...one, median: median(one.rounds) }));
  return { ...report, measurements };
}

function row({ subject, unit, rounds, shares, peakMemoryBytes }: Measurement): string[] {
  const compared = Object.entries(shares).map(([name, share]) => `${percent(share)} of ${name}`);
  return [
    subject,
    `${whole(median(rounds))} ${unit}`,
    rounds.map(whole).join(" "),
    peakMemoryBytes === undefined ? "" : `${mebibytes(peakMemoryBytes)} MiB`,
    compared.join(", "),
  ];
}

function align(rows: string[][]): string[] {
  const widths: number[] = [];
  for (const cells of rows) {
    for (const [column, cell] of cells.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  return rows.map((cells) =>
    cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("   ").trimEnd()
  );
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function mebibytes(bytes: number): string {
  return whole(bytes / 2 ** 20);
}

function whole(value: number): string {
  return String(Math.round(value));
}
