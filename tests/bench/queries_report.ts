/** The outcome of the group `queries` with one number of assets. */
import { percentile, type Times } from "./latencies.ts";
import type { Shape } from "./query_shapes.ts";
import type { Bar, GroupReport } from "./report.ts";

/** One shape, measured. */
export interface ShapeResult {
  shape: Shape;
  /** How many documents match its first query; `undefined` if it was not answered. */
  hits: number | undefined;
  times: Times;
  /** Why not. */
  refusal?: string;
}

const INSTANT_MS = 5;
const BROAD_COUNT_MS = 30;
const SCAN_DOCUMENTS_PER_SECOND = 250_000;
/** An instant query takes at most so many times as long as with the least number of assets. */
const GROWTH = 2;
/** Below this, a quotient of times says more of the machine than of the server. */
const LEAST_COMPARED_MS = 0.5;

/** The report: a table of the shapes, and all bars. */
export function shapesReport({ count, results, least, ferret, bars }: {
  count: number;
  results: ShapeResult[];
  /** The results with the least number of assets, if these are others. */
  least: ShapeResult[] | undefined;
  ferret: ShapeResult[] | undefined;
  bars: Bar[];
}): GroupReport {
  const heads = ["query", "hits", "p50 ms", "p99 ms", "goal", "", "FerretDB p50 ms", "hits"];
  const rows = results.map((result, n) => {
    const bar = barOf(result, least?.[n], count);
    const { shape, hits, times } = result;
    return [
      shape.name,
      String(hits),
      ms(percentile(times, 0.5)),
      ms(percentile(times, 0.99)),
      bar.shown,
      bar.isMet ? "met" : "not met",
      ...ferretCells(ferret?.[n], hits),
    ];
  });
  const isWithin = results.map((result, n) => barOf(result, least?.[n], count));
  const met = isWithin.filter(({ isMet }) => isMet).length;
  return {
    title: `queries: ${count} assets`,
    notes: [
      "one request after the other over a connection that stays open, each with another parameter; pages of 100",
      ferret ? "FerretDB 1.24 with SQLite, no indexes beside its own" : "FerretDB was not asked",
    ],
    measurements: [],
    table: { heads, rows },
    bars: [
      {
        name: "queries within their goals",
        value: met,
        shown: `${met} of ${results.length}`,
        isMet: met === results.length,
      },
      ...bars,
    ],
  };
}

function ferretCells(result: ShapeResult | undefined, hits: number | undefined): string[] {
  if (!result) return ["", ""];
  if (result.hits === undefined) return ["", result.refusal ?? ""];
  const same = result.hits === hits ? "same" : `${result.hits}, NOT the same`;
  return [ms(percentile(result.times, 0.5)), same];
}

function barOf({ shape, times }: ShapeResult, least: ShapeResult | undefined, count: number): Bar {
  const p50 = percentile(times, 0.5);
  const { name } = shape;
  if (shape.held === "scan") {
    const rate = count / (p50 / 1000);
    // With few assets the request itself takes longer than the scan.
    const isMet = rate >= SCAN_DOCUMENTS_PER_SECOND || p50 <= INSTANT_MS;
    return {
      name,
      value: rate,
      shown: `${Math.round(rate / 1000)}k/s of ${SCAN_DOCUMENTS_PER_SECOND / 1000}k/s`,
      isMet,
    };
  }
  if (shape.held === "broad count") {
    return { name, value: p50, shown: `≤ ${BROAD_COUNT_MS} ms`, isMet: p50 <= BROAD_COUNT_MS };
  }
  if (!least) return { name, value: p50, shown: `≤ ${INSTANT_MS} ms`, isMet: p50 <= INSTANT_MS };
  const grown = p50 / Math.max(percentile(least.times, 0.5), LEAST_COMPARED_MS);
  const shown = `≤ ${INSTANT_MS} ms, ${grown.toFixed(1)} of ${GROWTH}×`;
  return { name, value: p50, shown, isMet: p50 <= INSTANT_MS && grown <= GROWTH };
}

function ms(value: number): string {
  return value < 10 ? value.toFixed(2) : String(Math.round(value));
}
