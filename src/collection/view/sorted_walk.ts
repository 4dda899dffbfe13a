/**
 * A sorted answer out of the index: the documents in the order of the first key of the sort, without looking at the rest.
 *
 * It serves where each document has at most one value at that key's path and the index has it whole. Documents with the same
 * value are put in order among themselves.
 */
import type { Cursor } from "../cursor.ts";
import { arrayIndexOf } from "../paths.ts";
import { smallest } from "../smallest.ts";
import type { Sort } from "../sort.ts";
import type { IndexReader, Sql } from "./index_reader.ts";
import { POSTING, type PostingType } from "./postings.ts";
import { compareIds, type Found, type Step } from "./search.ts";

/** What of a search the walk needs. */
export interface WalkRequest {
  sort: Sort;
  limit: number;
  cursor?: Cursor;
}

/** Tells which of some documents match, in their order. */
type Among = (ords: readonly number[]) => Found[];

/** The values that are sorted as the index has them, in BSON's order; what is missing or null comes before all of them. */
const TYPES: readonly PostingType[] = [POSTING.number, POSTING.string, POSTING.bool];

/** How many documents are looked at in one step: few at first, as many are not looked at in vain then. */
const FIRST_STEP = 32;
const STEP = 256;

/** Whether a sort can be read out of the index. */
export function canWalk(
  index: IndexReader,
  { sort, limit }: WalkRequest,
  liveField: string | undefined,
): boolean {
  const [first] = sort.keys;
  if (!first || first.path === liveField) return false;
  // A group with further keys is held until it is in order.
  if (limit === Infinity && sort.keys.length > 1) return false;
  const { path } = first;
  if (path.split(".").some((part) => arrayIndexOf(part) >= 0)) return false;
  return !index.hasPartial() && index.isFlat(path) && !index.has(path, POSTING.object) &&
    !index.has(path, POSTING.longString);
}

/** The matches in the order of a sort that {@link canWalk}, up to one more than the limit. */
export function* walkSorted(index: IndexReader, request: WalkRequest, among: Among): Generator<Step> {
  const { sort, cursor } = request;
  const isBehind = ({ keys, id }: Found) =>
    cursor === undefined || (sort.compare(keys, cursor.keys) || compareIds(id, cursor.id)) > 0;
  let left = request.limit + 1;
  for (const group of groups(index, request)) {
    if (typeof group === "string") {
      yield group;
      continue;
    }
    const found = group.isTied
      ? inSortOrder(group.ords, among, isBehind, sort, left)
      : asTheyCome(group.ords, among, isBehind);
    for (const step of found) {
      const some = step.slice(0, left);
      left -= some.length;
      yield some;
      if (left <= 0) return;
    }
  }
}

/** Documents one after another, in the order of their values. Tied ones have the same value, and further keys order them. */
interface Group {
  isTied: boolean;
  ords: Iterable<number[]>;
}

/** Groups in the order of the sort's first key, from the cursor's on. */
function* groups(index: IndexReader, { sort, cursor }: WalkRequest): Generator<Group | "long"> {
  const [{ path, descending } = { path: "", descending: false }] = sort.keys;
  const canTie = sort.keys.length > 1;
  const begin = cursor?.keys[0];
  const types: (PostingType | undefined)[] = [undefined, ...TYPES];
  if (descending) types.reverse();
  const beginType = typeOf(begin);
  const from = cursor === undefined ? 0 : types.indexOf(beginType);
  for (const type of types.slice(Math.max(0, from))) {
    const isBegin = cursor !== undefined && type === beginType;
    if (type === undefined) {
      for (const ords of without(index, path)) {
        yield typeof ords === "string" ? ords : { isTied: canTie, ords };
      }
      continue;
    }
    const where = index.where({ path, type });
    if (!where) continue;
    const value = isBegin && begin !== null && begin !== undefined && typeof begin !== "object"
      ? (typeof begin === "boolean" ? Number(begin) : begin)
      : undefined;
    yield* groupsOf(index, where, value, { descending, canTie });
  }
}

function typeOf(value: unknown): PostingType | undefined {
  switch (typeof value) {
    case "number":
      return POSTING.number;
    case "string":
      return POSTING.string;
    case "boolean":
      return POSTING.bool;
  }
  return undefined;
}

/**
 * The documents with a value, by rising or falling values. Those with the same value that do not fit into a step are a group of
 * several steps. By falling values the index is read backwards, and what has the same value turned round.
 */
function* groupsOf(
  index: IndexReader,
  where: Sql,
  begin: string | number | undefined,
  { descending, canTie }: { descending: boolean; canTie: boolean },
): Generator<Group> {
  const [beyond, order] = descending ? ["<", "DESC"] : [">", "ASC"];
  let bound = begin === undefined ? "" : ` AND value ${beyond}= ?`;
  let values = begin === undefined ? [] : [begin];
  for (let step = FIRST_STEP;; step = Math.min(STEP, step * 2)) {
    const sql = `SELECT value, ord FROM posting WHERE ${where.text}${bound}
      ORDER BY value ${order}, ord ${order} LIMIT ?`;
    const rows = index.rows(sql, ...where.values, ...values, step);
    const runs = runsOf(rows);
    const last = runs.at(-1);
    if (!last) return;
    const isEnd = rows.length < step;
    if (descending) runs.forEach(({ ords }) => ords.reverse());
    yield* joined(isEnd ? runs : runs.slice(0, -1), canTie);
    if (isEnd) return;
    yield { isTied: canTie, ords: wholeGroup(index, where, descending ? { ...last, ords: [] } : last) };
    bound = ` AND value ${beyond} ?`;
    values = [last.value];
  }
}

/** Neighbours that nothing else orders become one group: to look at many at once is less work. */
function* joined(runs: readonly Run[], canTie: boolean): Generator<Group> {
  let single: number[] = [];
  for (const { ords } of runs) {
    if (ords.length === 1 || !canTie) {
      single.push(...ords);
      continue;
    }
    if (single.length > 0) yield { isTied: false, ords: [single] };
    single = [];
    yield { isTied: true, ords: [ords] };
  }
  if (single.length > 0) yield { isTied: false, ords: [single] };
}

interface Run {
  value: string | number;
  ords: number[];
}

function runsOf(rows: readonly (readonly (string | number | null)[])[]): Run[] {
  const runs: Run[] = [];
  for (const [value, ord] of rows) {
    if (value === null || value === undefined) continue;
    const last = runs.at(-1);
    if (last && last.value === value) last.ords.push(Number(ord));
    else runs.push({ value, ords: [Number(ord)] });
  }
  return runs;
}

/** A group of which only the beginning was read. */
function* wholeGroup(index: IndexReader, where: Sql, { value, ords }: Run): Generator<number[]> {
  if (ords.length > 0) yield ords;
  let after = ords.at(-1) ?? 0;
  for (;;) {
    const sql = `SELECT ord FROM posting WHERE ${where.text} AND value = ? AND ord > ? ORDER BY ord LIMIT ?`;
    const more = index.rows(sql, ...where.values, value, after, STEP).map(([ord]) => Number(ord));
    if (more.length > 0) yield more;
    if (more.length < STEP) return;
    after = more.at(-1) ?? after;
  }
}

/** The documents that have nothing at the path, or null: one group. To find a few among many takes long. */
function* without(index: IndexReader, path: string): Generator<Iterable<number[]> | "long"> {
  const hasNull = index.has(path, POSTING.null);
  if (!hasNull && index.documentsWith(path) >= index.documents()) return;
  yield "long";
  const present = TYPES.flatMap((type) => index.where({ path, type }) ?? []);
  const except = present.map(({ text }) => `SELECT ord FROM posting WHERE ${text}`).join(" UNION ALL ");
  const condition = present.length === 0 ? "" : ` WHERE ord NOT IN (${except})`;
  const ords = index.rows(
    `SELECT ord FROM doc${condition} ORDER BY ord`,
    ...present.flatMap(({ values }) => values),
  )
    .map(([ord]) => Number(ord));
  yield chunks(ords);
}

function* chunks(ords: readonly number[]): Generator<number[]> {
  for (let first = 0; first < ords.length; first += STEP) yield ords.slice(first, first + STEP);
}

function* asTheyCome(
  groups: Iterable<number[]>,
  among: Among,
  isBehind: (found: Found) => boolean,
): Generator<Found[]> {
  for (const ords of groups) yield among(ords).filter(isBehind);
}

/** Puts a group in order by the keys behind the first, and keeps no more of it than is wanted. */
function* inSortOrder(
  groups: Iterable<number[]>,
  among: Among,
  isBehind: (found: Found) => boolean,
  sort: Sort,
  wanted: number,
): Generator<Found[]> {
  const compare = (a: Found, b: Found) => sort.compare(a.keys, b.keys) || compareIds(a.id, b.id);
  const kept = smallest<Found>(wanted, compare);
  for (const ords of groups) {
    for (const found of among(ords)) if (isBehind(found)) kept.add(found);
    yield [];
  }
  const all = kept.take();
  for (let first = 0; first < all.length; first += STEP) yield all.slice(first, first + STEP);
}
