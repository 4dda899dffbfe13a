/**
 * Sets of documents by their postings, and how they are put together.
 *
 * A set never lacks a document that matches what it was made for; an exact one has no other either. Documents that are only
 * partly indexed are left out; whoever runs a plan looks at all of them.
 */
import type { Json } from "./json.ts";
import { compareStrings } from "./order.ts";
import { POSTING, type PostingType } from "./view/postings.ts";

/** A stretch of postings of one path and type. Without a bound it is open-ended on that side. */
export interface PostingRange {
  path: string;
  type: PostingType;
  low?: Bound;
  high?: Bound;
  /** Which values of the range count; without it: all. */
  test?: (value: string | number) => boolean;
}

/** Where a range begins or ends. */
export interface Bound {
  value: string | number;
  isOpen: boolean;
}

/**
 * A set of documents. `exact` says that it is just those that match (of those that are wholly indexed).
 *
 * - `all`: every document
 * - `ranges`: those with a posting in one of the ranges; none without ranges
 * - `not`: those that are not in an exact set
 */
export type Plan =
  | { kind: "all"; exact: boolean }
  | { kind: "ranges"; ranges: PostingRange[]; exact: boolean }
  | { kind: "and" | "or"; plans: Plan[]; exact: boolean }
  | { kind: "not"; plan: Plan; exact: boolean };

/** Every document, and each matches. */
export const everything: Plan = { kind: "all", exact: true };
/** Every document: whether it matches is not known. */
export const anything: Plan = { kind: "all", exact: false };

/** Whether a set holds only documents with one given value, so that asking for one document costs one look. */
export function isKey({ low, high, test }: PostingRange): boolean {
  return test === undefined && low !== undefined && high !== undefined && !low.isOpen && !high.isOpen &&
    low.value === high.value;
}

/** The documents with a posting in one of the ranges. */
export function ranges(list: PostingRange[], exact: boolean): Plan {
  return { kind: "ranges", ranges: list, exact };
}

/** The numbers at a path that pass a test. */
export function numbers(path: string, test: (value: Json | undefined) => boolean): Plan {
  return ranges([{ path, type: POSTING.number, test }], true);
}

/** The postings of one value. */
export function key(path: string, type: PostingType, value: string | number): PostingRange {
  const bound = { value, isOpen: false };
  return { path, type, low: bound, high: bound };
}

/** Every posting of a path. */
export function valuesAt(path: string): PostingRange[] {
  const types = [
    POSTING.null,
    POSTING.number,
    POSTING.string,
    POSTING.object,
    POSTING.array,
    POSTING.bool,
    POSTING.longString,
  ];
  return types.map((type) => ({ path, type }));
}

/**
 * Null or missing. Where an array of objects is on the way, one of them may lack the field while another has it.
 *
 * @param isFlat whether no document has an array at a path or on the way to it
 */
export function missing(path: string, isFlat: (path: string) => boolean): Plan {
  const ways = path.split(".").slice(0, -1).map((_, n, parts) => parts.slice(0, n + 1).join("."));
  const arrays = ways.filter((way) => !isFlat(way)).map((path): PostingRange => ({
    path,
    type: POSTING.array,
  }));
  const plans: Plan[] = [
    { kind: "not", plan: ranges(valuesAt(path), true), exact: true },
    ranges([{ path, type: POSTING.null }], true),
  ];
  if (arrays.length > 0) plans.push(ranges(arrays, false));
  return either(plans);
}

/** The same set, of which not each document need match. */
export function inexact(plan: Plan): Plan {
  return { ...plan, exact: false };
}

/**
 * The documents that are not in a set; any, if the set is not exact.
 *
 * @param prefix not "" where the set is of documents with an element that matches: the others may have one that does not
 */
export function negation(plan: Plan, prefix: string): Plan {
  if (!plan.exact || prefix !== "") return anything;
  if (plan.kind === "all") return ranges([], true);
  if (plan.kind === "ranges" && plan.ranges.length === 0) return everything;
  return plan.kind === "not" ? plan.plan : { kind: "not", plan, exact: true };
}

/** The union. */
export function either(plans: Plan[]): Plan {
  const exact = plans.every((plan) => plan.exact);
  if (plans.some(({ kind }) => kind === "all")) {
    return plans.some((plan) => plan === everything) ? everything : anything;
  }
  const flat = plans.flatMap((plan) => plan.kind === "or" ? plan.plans : [plan]);
  const lists = distinct(flat.flatMap((plan) => plan.kind === "ranges" ? plan.ranges : []));
  const others = flat.filter((plan) => plan.kind !== "ranges");
  if (others.length === 0) return ranges(lists, exact);
  return { kind: "or", plans: lists.length === 0 ? others : [ranges(lists, exact), ...others], exact };
}

/**
 * The intersection. Two bounds of one path become one range where they must hold for one value. Clauses come by the thousand, so
 * no two of them are compared, and of a path it is asked once whether it may be merged, which asks the index.
 */
export function merged(plans: Plan[], mayMerge: (path: string) => boolean): Plan {
  const exact = plans.every((plan) => plan.exact);
  const flat = plans.flatMap((plan) => plan.kind === "and" ? plan.plans : [plan]).filter(({ kind }) =>
    kind !== "all"
  );
  const kept: Plan[] = [];
  const seen = new Set<string>();
  /** Where ranges stand that others of the same path and type may meet. */
  const places = new Map<string, { at: number; mayMeet: () => boolean }>();
  for (const plan of flat) {
    const range = onlyRange(plan);
    if (range) {
      const name = nameOf(range);
      if (seen.has(name)) continue;
      seen.add(name);
      const key = `${range.type} ${range.path}`;
      const place = places.get(key);
      const other = place?.mayMeet() ? kept[place.at] : undefined;
      if (place && other?.kind === "ranges" && plan.kind === "ranges") {
        kept[place.at] = meet(other, plan);
        continue;
      }
      if (!place) {
        places.set(key, {
          at: kept.length,
          mayMeet: once(() => hasOrder(range) && mayMerge(range.path)),
        });
      }
    }
    kept.push(plan);
  }
  const [only] = kept;
  if (only === undefined) return exact ? everything : anything;
  if (kept.length === 1) return only.exact === exact ? only : inexact(only);
  return { kind: "and", plans: kept, exact };
}

/** The range of a set that has no other, and no test. */
function onlyRange(plan: Plan): PostingRange | undefined {
  if (plan.kind !== "ranges" || plan.ranges.length !== 1) return undefined;
  return plan.ranges[0]?.test ? undefined : plan.ranges[0];
}

function hasOrder({ type }: PostingRange): boolean {
  return type === POSTING.number || type === POSTING.string;
}

/** Asks when it is first asked, and then knows. */
function once(ask: () => boolean): () => boolean {
  let answer: boolean | undefined;
  return () => answer ??= ask();
}

/** The same for ranges that hold the same. */
function nameOf({ path, type, low, high }: PostingRange): string {
  return `${type} ${path} ${JSON.stringify([low ?? null, high ?? null])}`;
}

/** Without those that hold what another one holds. */
function distinct(list: PostingRange[]): PostingRange[] {
  if (list.length < 2) return list;
  const named = new Map(list.map((range) => [range.test ? range : nameOf(range), range]));
  return [...named.values()];
}

function meet(a: Extract<Plan, { kind: "ranges" }>, b: Extract<Plan, { kind: "ranges" }>): Plan {
  const [one] = a.ranges;
  const [other] = b.ranges;
  if (!one || !other) return ranges([], a.exact && b.exact);
  const low = tighter(one.low, other.low, 1);
  const high = tighter(one.high, other.high, -1);
  return ranges([{ path: one.path, type: one.type, low, high }], a.exact && b.exact);
}

/** The bound that leaves less. */
function tighter(a: Bound | undefined, b: Bound | undefined, sign: 1 | -1): Bound | undefined {
  if (!a || !b) return a ?? b;
  if (a.value === b.value) return { value: a.value, isOpen: a.isOpen || b.isOpen };
  if (typeof a.value === "number" && typeof b.value === "number") {
    return (a.value - b.value) * sign > 0 ? a : b;
  }
  return compareStrings(String(a.value), String(b.value)) * sign > 0 ? a : b;
}
