/**
 * Counters, gauges and histograms, and their text for Prometheus (exposition format 0.0.4).
 *
 * It holds what this program needs of it: a request must not pay for looking labels up, so a series is fetched once and counted
 * in from then on.
 */

/** The labels of a series. */
export type Labels = Record<string, string>;

/** What a scrape writes of a family: its series, as lines. */
interface Family {
  name: string;
  help: string;
  type: "counter" | "gauge" | "histogram";
  lines: () => string[] | Promise<string[]>;
}

/** A number that is counted up. */
export interface CounterSeries {
  value: number;
}

/** Durations, counted by their size. */
export class HistogramSeries {
  readonly bounds: readonly number[];
  /** For each bound those above the one before it; the last is for those above all. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array<number>(bounds.length + 1).fill(0);
  }

  /** Counts a value. */
  observe(value: number): void {
    let index = 0;
    for (const bound of this.bounds) {
      if (value <= bound) break;
      index++;
    }
    this.counts[index] = (this.counts[index] ?? 0) + 1;
    this.sum += value;
  }
}

/** The series of one family, by their labels. */
export class Series<T> {
  readonly #make: () => T;
  readonly #all = new Map<string, T>();

  constructor(make: () => T) {
    this.#make = make;
  }

  /** The series with these labels; the labels' order matters. */
  of(labels: Labels): T {
    const key = labelText(labels);
    let one = this.#all.get(key);
    if (one === undefined) {
      one = this.#make();
      this.#all.set(key, one);
    }
    return one;
  }

  entries(): IterableIterator<[labels: string, series: T]> {
    return this.#all.entries();
  }
}

/** Everything that one server measures. */
export class Metrics {
  readonly #families: Family[] = [];

  /** A family of counters. By custom its name ends in `_total`. */
  counter(name: string, help: string): Series<CounterSeries> {
    const series = new Series<CounterSeries>(() => ({ value: 0 }));
    const lines = () =>
      [...series.entries()].map(([labels, { value }]) => `${name}${braced(labels)} ${value}`);
    this.#families.push({ name, help, type: "counter", lines });
    return series;
  }

  /** A family of histograms. */
  histogram(name: string, help: string, bounds: readonly number[]): Series<HistogramSeries> {
    const series = new Series(() => new HistogramSeries(bounds));
    const lines = () => [...series.entries()].flatMap(([labels, one]) => histogramLines(name, labels, one));
    this.#families.push({ name, help, type: "histogram", lines });
    return series;
  }

  /** A family whose values are asked for when they are wanted. One without a value is left out. */
  read(
    family: { name: string; help: string; type: "counter" | "gauge" },
    values: () => [Labels, number | undefined][] | Promise<[Labels, number | undefined][]>,
  ): void {
    const lines = async () =>
      (await values()).flatMap(([labels, value]) =>
        value === undefined ? [] : [`${family.name}${braced(labelText(labels))} ${value}`]
      );
    this.#families.push({ ...family, lines });
  }

  /** The text of everything, for a scrape. */
  async text(): Promise<string> {
    const parts = await Promise.all(this.#families.map(async ({ name, help, type, lines }) => {
      const all = await lines();
      return all.length === 0 ? "" : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${all.join("\n")}\n`;
    }));
    return parts.join("");
  }
}

function histogramLines(name: string, labels: string, { bounds, counts, sum }: HistogramSeries): string[] {
  const prefix = labels === "" ? "" : `${labels},`;
  const lines: string[] = [];
  let cumulated = 0;
  for (const [index, count] of counts.entries()) {
    cumulated += count;
    lines.push(`${name}_bucket{${prefix}le="${bounds[index] ?? "+Inf"}"} ${cumulated}`);
  }
  lines.push(`${name}_sum${braced(labels)} ${sum}`, `${name}_count${braced(labels)} ${cumulated}`);
  return lines;
}

function labelText(labels: Labels): string {
  return Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`).join(",");
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function braced(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}
