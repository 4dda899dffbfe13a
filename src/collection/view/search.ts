/**
 * Runs a query on a view, in steps of a few milliseconds: the caller decides on which thread, and when to go on.
 *
 * A step gives the matches that it found. They come in the order of the answer, and one more than the limit comes if there
 * is one, so that the caller knows whether a page is the last.
 */
import type { Cursor } from "../cursor.ts";
import type { Filter } from "../filter.ts";
import { isJsonObject, type JsonObject } from "../json.ts";
import type { SortValues } from "../order.ts";
import { isKey, type Plan } from "../plan.ts";
import { planQuery } from "../planner.ts";
import { smallest } from "../smallest.ts";
import type { Sort } from "../sort.ts";
import type { IndexReader } from "./index_reader.ts";
import { listSet } from "./listing.ts";
import { POSTING } from "./postings.ts";
import { countWindow, readListed, readWindow, type Row, type Source } from "./scan.ts";
import { type BaseUrls, resolveText } from "./shown_text.ts";
import { canWalk, walkSorted } from "./sorted_walk.ts";
import {
  chooseStrategy,
  conditionOf,
  isWorthChanging,
  NO_CONDITION,
  type Strategy,
  STRATEGY_LIMITS,
  type StrategyLimits,
} from "./strategy.ts";

/** What is asked of a view. */
export interface SearchRequest {
  filter: Filter;
  /** Without it: oldest first. */
  sort?: Sort;
  /** The most matches wanted; `Infinity` for all. */
  limit: number;
  /** Where to go on: behind this match. */
  cursor?: Cursor;
  bases: BaseUrls;
  /** The field that begins with the URL of a running server. */
  liveField?: string;
}

/** A match. */
export interface Found {
  id: string;
  /** The document as JSON. */
  text: string;
  /** What it is sorted by; none in the default order. */
  keys: SortValues;
}

/** What a step gives: matches, or that the next step is going to take long. */
export type Step = Found[] | "long";

/** How a query was run. */
export interface Explanation {
  /** What was walked through. */
  leads: string;
  /** Whether the index alone told the matches. */
  exact: boolean;
  /** How many documents were looked at. */
  candidates: number;
  /** How many of them the filter was tried on. */
  tested: number;
}

/** The most documents that one window of a scan grows to. */
const MAX_WINDOW = 1024;

/** A window grows while its text stays below this, in UTF-16 units, and shrinks when it is well above. */
const WINDOW_TEXT = 512 * 1024;

/** Queries that look at more documents than this are for another thread. */
const LIGHT_CANDIDATES = 2000;

/** Where one document can take long, a step ends after so much time. */
const SLOW_STEP_MS = 10;

/** To ask the index about so many documents takes about as long as to read one and try the filter on it. */
const LOOKS_PER_DOCUMENT = 4;

/** How many documents of a sorted answer are read at once. */
const FETCH_BATCH = 50;

/** One query on one view. */
export class Search {
  readonly #index: IndexReader;
  readonly #request: SearchRequest;
  readonly #plan: Plan;
  readonly #strategy: Strategy;
  readonly #walks: boolean;
  readonly #limits: StrategyLimits;
  #candidates = 0;
  #tested = 0;

  constructor(index: IndexReader, request: SearchRequest, limits: StrategyLimits = STRATEGY_LIMITS) {
    this.#index = index;
    this.#limits = limits;
    this.#request = request;
    this.#plan = planQuery(request.filter.query, {
      isFlat: (path) => index.isFlat(path),
      hasLongStrings: (path) => index.has(path, POSTING.longString),
      liveField: request.liveField,
      bases: request.bases,
    });
    const wanted = request.sort ? Infinity : request.limit;
    this.#strategy = chooseStrategy(this.#plan, index, wanted, limits);
    const { sort, limit, liveField } = request;
    this.#walks = sort !== undefined && this.#isLessToWalk() && canWalk(index, { sort, limit }, liveField);
  }

  /** Whether to go through the documents in the order of the sort is less work than to put the candidates in order. */
  #isLessToWalk(): boolean {
    const { candidates } = this.#strategy;
    if (candidates === Infinity) return true;
    if (candidates <= this.#limits.fewPostings) return false;
    return (this.#request.limit + 1) * this.#index.documents() / candidates < this.#walkMost();
  }

  /** So many documents may be walked through before it is less work to put the candidates in order. */
  #walkMost(): number {
    const { candidates } = this.#strategy;
    return this.#asked().sql === NO_CONDITION ? candidates : candidates * LOOKS_PER_DOCUMENT;
  }

  /** Whether the query is better run on a thread of its own from the start. */
  get isHeavy(): boolean {
    const { sort, limit, filter } = this.#request;
    const { candidates, exact, source } = this.#strategy;
    if (filter.isSlow && (!exact || source.kind === "set")) return true;
    // Most collections are small; a thread is not started for them.
    if (Math.min(candidates, this.#index.documents()) <= LIGHT_CANDIDATES) return false;
    if (limit > LIGHT_CANDIDATES) return true;
    return sort !== undefined && !this.#walks;
  }

  /** Runs the query. */
  *run(): Generator<Step> {
    const { sort } = this.#request;
    if (!sort) yield* this.#oldestFirst();
    else if (this.#walks) yield* this.#walked(sort);
    else yield* this.#sorted(sort, this.#request);
  }

  /** The matches in the order asked for, out of the index. Should they come late in it, the candidates are put in order. */
  *#walked(sort: Sort): Generator<Step> {
    const most = this.#walkMost();
    let { cursor, limit } = this.#request;
    for (const step of walkSorted(this.#index, { cursor, limit, sort }, (ords) => this.#amongThese(ords))) {
      yield step;
      if (step === "long") continue;
      const last = step.at(-1);
      if (last) cursor = { id: last.id, keys: last.keys, sort: sort.text };
      limit -= step.length;
      if (limit < 0 || this.#candidates <= most) continue;
      yield* this.#sorted(sort, { cursor, limit });
      return;
    }
  }

  /** Counts the matches, whatever the limit and the cursor. */
  *count(): Generator<Step, number> {
    const known = this.#knownCount(this.#plan);
    if (known !== undefined) {
      if (this.#strategy.candidates === Infinity && this.#plan.kind !== "all") yield "long";
      return known.run();
    }
    let count = 0;
    if (this.#strategy.exact && !this.#index.hasPartial()) {
      const source = yield* this.#sourceOf(this.#strategy);
      for (let after = 0; after < Infinity;) {
        const window = countWindow(this.#index, source, this.#strategy.narrow, after, COUNT_WINDOW);
        count += window.count;
        after = window.upTo;
        yield [];
      }
      return count;
    }
    for (const rows of this.#matchingRows(0, Infinity)) {
      count += rows.length;
      yield [];
    }
    return count;
  }

  explain(): Explanation {
    const { leads, exact } = this.#strategy;
    return {
      leads: this.#walks ? `every document, by ${this.#request.sort?.text}` : leads,
      exact,
      candidates: this.#candidates,
      tested: this.#tested,
    };
  }

  /** A count that SQL knows by itself. */
  #knownCount(plan: Plan): { run: () => number } | undefined {
    const index = this.#index;
    if (!plan.exact || index.hasPartial()) return undefined;
    if (plan.kind === "all") return { run: () => index.documents() };
    if (plan.kind === "not") {
      const inner = this.#knownCount(plan.plan);
      return inner && { run: () => index.documents() - inner.run() };
    }
    const [range] = plan.kind === "ranges" ? plan.ranges : [];
    if (!range || plan.kind !== "ranges" || plan.ranges.length > 1 || range.test) return undefined;
    const where = index.where(range);
    if (!where) return { run: () => 0 };
    // Of one value, or of values that are no array's, a document has one posting.
    const what = isKey(range) || index.isFlat(range.path) ? "count(*)" : "count(DISTINCT ord)";
    return {
      run: () => Number(index.cell(`SELECT ${what} FROM posting WHERE ${where.text}`, ...where.values)),
    };
  }

  *#oldestFirst(): Generator<Step> {
    const { cursor, limit } = this.#request;
    let left = limit + 1;
    for (const rows of this.#matchingRows(cursor ? this.#index.ordUpTo(cursor.id) : 0, left)) {
      const some = rows.slice(0, left);
      left -= some.length;
      yield some.map((row) => this.#found(row, []));
      if (left <= 0) return;
    }
  }

  /** The rows that match, behind a number, some at a time. */
  *#matchingRows(after: number, wanted: number): Generator<Row[]> {
    let strategy = this.#strategy;
    let source = yield* this.#sourceOf(strategy);
    let size = this.#limits.firstWindow;
    let looked = 0;
    let found = 0;
    while (after < Infinity) {
      const most = strategy.exact ? Math.min(size, expectedFor(wanted - found, { looked, found })) : size;
      const window = readWindow(this.#index, source, strategy.narrow, after, most);
      after = window.upTo;
      looked += most;
      for (const rows of this.#matchesAmong(window.rows, strategy.exact)) {
        found += rows.length;
        yield rows;
      }
      size = nextSize(size, window.rows);
      if (!isWorthChanging(strategy, { looked, found, wanted }, this.#limits) || !strategy.instead) continue;
      strategy = strategy.instead.strategy;
      source = yield* this.#sourceOf(strategy);
    }
  }

  /** What a strategy walks through; a set is listed first. */
  *#sourceOf({ source }: Strategy): Generator<never[], Source> {
    if (source.kind !== "set") return source;
    const listing = listSet(this.#index, source.ranges);
    for (;;) {
      const step = listing.next();
      if (step.done) return { kind: "list", ords: step.value };
      yield [];
    }
  }

  /** Those of some rows that match. Where one document can take long, not all at once. */
  *#matchesAmong(candidates: readonly Row[], exact: boolean): Generator<Row[]> {
    this.#candidates += candidates.length;
    let rows: Row[] = [];
    let startedAt = performance.now();
    for (const row of candidates) {
      if (this.#matches(row, exact)) rows.push(row);
      if (!this.#request.filter.isSlow || performance.now() - startedAt < SLOW_STEP_MS) continue;
      yield rows;
      rows = [];
      startedAt = performance.now();
    }
    yield rows;
  }

  /** The matches in the order asked for. Holds what they are sorted by while it searches, not the documents. */
  *#sorted(sort: Sort, { cursor, limit }: Pick<SearchRequest, "cursor" | "limit">): Generator<Step> {
    const compare = (a: Position, b: Position) => sort.compare(a.keys, b.keys) || compareIds(a.id, b.id);
    const kept = smallest<Position>(limit + 1, compare);
    for (const rows of this.#matchingRows(0, Infinity)) {
      for (const row of rows) {
        const position = { ord: row.ord, id: row.id, keys: sort.keysOf(this.#parse(row)) };
        if (cursor === undefined || compare(position, { ...cursor, ord: 0 }) > 0) kept.add(position);
      }
      yield [];
    }
    const positions = kept.take();
    for (let first = 0; first < positions.length; first += FETCH_BATCH) {
      const batch = positions.slice(first, first + FETCH_BATCH);
      const rows = readListed(this.#index, batch.map(({ ord }) => ord), NO_CONDITION);
      const byOrd = new Map(rows.map((row) => [row.ord, row]));
      // What was removed meanwhile is left out.
      yield batch.flatMap(({ ord, keys }) => {
        const row = byOrd.get(ord);
        return row ? [this.#found(row, keys)] : [];
      });
    }
  }

  /** Those of some documents that match, in their order, with what they are sorted by. */
  #amongThese(ords: readonly number[]): Found[] {
    const { sql, isWhole } = this.#asked();
    const exact = this.#plan.exact && isWhole;
    const rows = readListed(this.#index, ords, sql);
    this.#candidates += ords.length;
    return rows.filter((row) => this.#matches(row, exact)).map((row) => {
      return this.#found(row, this.#request.sort?.keysOf(this.#parse(row)) ?? []);
    });
  }

  #condition: ReturnType<typeof conditionOf> | undefined;

  #asked(): ReturnType<typeof conditionOf> {
    this.#condition ??= conditionOf(this.#plan, this.#index, this.#limits);
    return this.#condition;
  }

  #matches(row: Row, exact: boolean): boolean {
    if (exact && !row.isPartial) return true;
    this.#tested++;
    return this.#request.filter.test(this.#parse(row));
  }

  #parse({ id, json }: Row): JsonObject {
    const document: unknown = JSON.parse(resolveText(json, this.#request.bases));
    if (!isJsonObject(document)) throw new TypeError(`Document ${id} is not a JSON object`);
    return document;
  }

  #found({ id, json }: Row, keys: SortValues): Found {
    return { id, text: resolveText(json, this.#request.bases), keys };
  }
}

/** Documents that are counted in one step. */
const COUNT_WINDOW = 8192;

/** How many documents are to be looked at for so many more matches, if it goes on as it began. */
function expectedFor(matches: number, { looked, found }: { looked: number; found: number }): number {
  return Math.max(1, looked === 0 ? matches : Math.ceil(matches * looked / found));
}

/** A window grows with the documents as long as they are small. */
function nextSize(size: number, rows: readonly Row[]): number {
  const text = rows.reduce((sum, { json }) => sum + json.length, 0);
  if (text < WINDOW_TEXT) return Math.min(MAX_WINDOW, size * 2);
  return text > 2 * WINDOW_TEXT ? Math.max(4, size >> 2) : size;
}

/** A place in a sorted answer. */
interface Position {
  ord: number;
  id: string;
  keys: SortValues;
}

/** Ids are UUIDv7, ASCII: the order of their characters is the order of their age. */
export function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
