/**
 * From a filter to the documents that it can match, as sets of postings: never fewer than match, often exactly those.
 *
 * Sources: for what each operator matches `operators/conditions.ts` and the MongoDB manual's page of it; for what is indexed
 * `view/postings.ts`. Documents that are only partly indexed are left out here; whoever runs a plan looks at all of them.
 */
import type { CheckedQuery, Condition } from "./checked_query.ts";
import type { Json } from "./json.ts";
import { hasBits, hasRemainder } from "./operators/values.ts";
import { compareStrings } from "./order.ts";
import { arrayIndexOf } from "./paths.ts";
import { endOfPrefix, prefixOfPattern } from "./regex_prefix.ts";
import {
  beginningOf,
  digestOf,
  isPlain,
  lowestBeginning,
  MAX_STRING_LENGTH,
  POSTING,
  type PostingType,
} from "./view/postings.ts";
import { type BaseUrls, indexedForms } from "./view/shown_text.ts";

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

/** What a plan depends on beside the filter. */
export interface PlanContext {
  /** Whether no document has an array at this path or on the way to it. Then two bounds hold for one and the same value. */
  isFlat: (path: string) => boolean;
  /** Whether a document has a string at this path that is indexed by how it begins. */
  hasLongStrings: (path: string) => boolean;
  /** The field that begins with the URL of a running server. */
  liveField?: string;
  bases: BaseUrls;
}

/** How many index numbers in a path are followed up: each may be one, or the name of a field. */
const MAX_INDEX_PARTS = 2;

const everything: Plan = { kind: "all", exact: true };
const anything: Plan = { kind: "all", exact: false };

/** The plan of a filter. */
export function planQuery(query: CheckedQuery, context: PlanContext): Plan {
  return new Planner(context).query(query, "");
}

/** Whether a set holds only documents with one given value, so that asking for one document costs one look. */
export function isKey({ low, high, test }: PostingRange): boolean {
  return test === undefined && low !== undefined && high !== undefined && !low.isOpen && !high.isOpen &&
    low.value === high.value;
}

class Planner {
  readonly #context: PlanContext;

  constructor(context: PlanContext) {
    this.#context = context;
  }

  /** @param prefix the path of the array whose elements the query is about; "" for the document */
  query(query: CheckedQuery, prefix: string): Plan {
    switch (query.kind) {
      case "and":
        return this.#both(query.clauses.map((clause) => this.query(clause, prefix)));
      case "or":
        return either(query.clauses.map((clause) => this.query(clause, prefix)));
      case "nor":
        return negation(either(query.clauses.map((clause) => this.query(clause, prefix))), prefix);
      case "expr":
        return anything;
      case "field": {
        const path = prefix === "" ? query.path : `${prefix}.${query.path}`;
        return this.#field(path, query.condition, prefix !== "");
      }
    }
  }

  /** @param isElement the condition is about one element of an array: what another one has proves nothing */
  #field(path: string, condition: Condition, isElement: boolean): Plan {
    const indexParts = path.split(".").filter((part) => arrayIndexOf(part) >= 0).length;
    if (indexParts > MAX_INDEX_PARTS || !isPlain(path)) return anything;
    if (indexParts === 0) {
      const plan = this.#condition(path, condition, isElement);
      return isElement ? inexact(plan) : plan;
    }
    // Each number is an index, which leaves no trace in a posting's path, or a name.
    const plans = variantsOf(path).map((variant) => this.#condition(variant, condition, true));
    return inexact(either([...plans, ranges([{ path: "", type: POSTING.nested }], false)]));
  }

  #condition(path: string, condition: Condition, isElement: boolean): Plan {
    switch (condition.operator) {
      case "$eq":
        return this.#equal(path, condition.value, isElement);
      case "$in":
        return either(condition.values.map((value) => this.#equal(path, value, isElement)));
      case "$gt":
      case "$gte":
      case "$lt":
      case "$lte":
        return this.#range(path, condition.operator, condition.value, isElement);
      case "$not": {
        const plans = condition.conditions.map((inner) => this.#condition(path, inner, isElement));
        return isElement ? anything : negation(this.#both(plans), "");
      }
      case "$exists":
        return isElement ? anything : ranges(valuesAt(path), true);
      case "$type":
        return this.#type(path, condition.types);
      case "$size":
        if (isElement) return anything;
        return ranges([key(path, POSTING.size, condition.size)], true);
      case "$mod":
        return numbers(path, hasRemainder(condition.divisor, condition.remainder));
      case "$bitsAllSet":
      case "$bitsAllClear":
      case "$bitsAnySet":
      case "$bitsAnyClear":
        return numbers(path, hasBits(condition.operator, condition.mask));
      case "$regex":
        return this.#regex(path, condition);
      case "$elemMatch":
        return inexact(this.#elemMatch(path, condition));
    }
  }

  #equal(path: string, value: Json, isElement: boolean): Plan {
    switch (typeof value) {
      case "number":
        return ranges([key(path, POSTING.number, value)], true);
      case "boolean":
        return ranges([key(path, POSTING.bool, Number(value))], true);
      case "string":
        return this.#equalString(path, value);
    }
    if (value === null) return isElement ? anything : missing(path);
    return ranges([key(path, Array.isArray(value) ? POSTING.array : POSTING.object, digestOf(value))], false);
  }

  #equalString(path: string, value: string): Plan {
    // Only a document that is not wholly indexed can hold such a string.
    if (!isPlain(value)) return ranges([], false);
    const forms = path === this.#context.liveField ? indexedForms(value, this.#context.bases) : [value];
    const isLong = forms.some((form) => form.length > MAX_STRING_LENGTH);
    return ranges(
      forms.map((form) =>
        form.length > MAX_STRING_LENGTH
          ? key(path, POSTING.longString, beginningOf(form))
          : key(path, POSTING.string, form)
      ),
      !isLong,
    );
  }

  /** Only values of the bound's own type are in a range ("type bracketing"). */
  #range(path: string, operator: "$gt" | "$gte" | "$lt" | "$lte", value: Json, isElement: boolean): Plan {
    const isLower = operator === "$gt" || operator === "$gte";
    const isOpen = operator === "$gt" || operator === "$lt";
    const from = (type: PostingType, bound: string | number, open = isOpen): PostingRange =>
      isLower
        ? { path, type, low: { value: bound, isOpen: open } }
        : { path, type, high: { value: bound, isOpen: open } };
    switch (typeof value) {
      case "number":
        return ranges([from(POSTING.number, value)], true);
      case "boolean":
        return ranges([from(POSTING.bool, Number(value))], true);
      case "string": {
        if (path === this.#context.liveField) return anything;
        if (!isPlain(value)) {
          return ranges([{ path, type: POSTING.string }, { path, type: POSTING.longString }], false);
        }
        const whole = from(POSTING.string, value);
        if (!this.#context.hasLongStrings(path)) return ranges([whole], true);
        // What begins like the bound may lie on either side of it.
        const beginning = isLower ? lowestBeginning(value) : value;
        return ranges([whole, from(POSTING.longString, beginning, false)], false);
      }
    }
    if (value === null) {
      if (isOpen) return ranges([], true);
      return isElement ? anything : missing(path);
    }
    return ranges([{ path, type: Array.isArray(value) ? POSTING.array : POSTING.object }], false);
  }

  #type(path: string, types: Extract<Condition, { operator: "$type" }>["types"]): Plan {
    const found: PostingRange[] = [];
    const isNumber = types.has("int") && types.has("long") && types.has("double");
    if (types.has("int") || types.has("long") || types.has("double")) {
      found.push({ path, type: POSTING.number });
    }
    if (types.has("string")) {
      found.push({ path, type: POSTING.string }, { path, type: POSTING.longString });
    }
    if (types.has("object")) found.push({ path, type: POSTING.object });
    if (types.has("array")) found.push({ path, type: POSTING.array });
    if (types.has("bool")) found.push({ path, type: POSTING.bool });
    if (types.has("null")) found.push({ path, type: POSTING.null });
    return ranges(found, isNumber || !found.some(({ type }) => type === POSTING.number));
  }

  #regex(path: string, { pattern, options, regex }: Extract<Condition, { operator: "$regex" }>): Plan {
    if (path === this.#context.liveField) return anything;
    const hasLong = this.#context.hasLongStrings(path);
    const test = (value: string | number) => typeof value === "string" && regex.test(value);
    const found = prefixOfPattern(pattern, options);
    if (found === undefined || !isPlain(found.prefix)) {
      const whole: PostingRange = { path, type: POSTING.string, test };
      return hasLong ? ranges([whole, { path, type: POSTING.longString }], false) : ranges([whole], true);
    }
    const end = endOfPrefix(found.prefix);
    const within = (type: PostingType, prefix: string): PostingRange => ({
      path,
      type,
      low: { value: prefix, isOpen: false },
      high: end === undefined ? undefined : { value: end, isOpen: true },
    });
    const begins = within(POSTING.string, found.prefix);
    const whole = found.isWholePattern ? begins : { ...begins, test };
    if (!hasLong) return ranges([whole], true);
    return ranges([whole, within(POSTING.longString, lowestBeginning(found.prefix))], false);
  }

  #elemMatch(path: string, condition: Extract<Condition, { operator: "$elemMatch" }>): Plan {
    const isArray = ranges([{ path, type: POSTING.array }], false);
    const inner = "query" in condition
      ? this.query(condition.query, path)
      // One element has to satisfy all of them, so bounds meet.
      : merged(condition.conditions.map((one) => this.#condition(path, one, true)), () => true);
    return inner.kind === "all" ? isArray : inner;
  }

  #both(plans: Plan[]): Plan {
    return merged(plans, this.#context.isFlat);
  }
}

function ranges(list: PostingRange[], exact: boolean): Plan {
  return { kind: "ranges", ranges: list, exact };
}

function numbers(path: string, test: (value: Json | undefined) => boolean): Plan {
  return ranges([{ path, type: POSTING.number, test }], true);
}

function key(path: string, type: PostingType, value: string | number): PostingRange {
  const bound = { value, isOpen: false };
  return { path, type, low: bound, high: bound };
}

/** Every posting of a path. */
function valuesAt(path: string): PostingRange[] {
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

/** Null or missing. Where an array of objects is on the way, one of them may lack the field while another has it. */
function missing(path: string): Plan {
  const parts = path.split(".");
  const arrays = parts.slice(1).map((_, n): PostingRange => ({
    path: parts.slice(0, n + 1).join("."),
    type: POSTING.array,
  }));
  const plans: Plan[] = [
    { kind: "not", plan: ranges(valuesAt(path), true), exact: true },
    ranges([{ path, type: POSTING.null }], true),
  ];
  if (arrays.length > 0) plans.push(ranges(arrays, false));
  return either(plans);
}

function inexact(plan: Plan): Plan {
  return { ...plan, exact: false };
}

function negation(plan: Plan, prefix: string): Plan {
  if (!plan.exact || prefix !== "") return anything;
  if (plan.kind === "all") return ranges([], true);
  if (plan.kind === "ranges" && plan.ranges.length === 0) return everything;
  return plan.kind === "not" ? plan.plan : { kind: "not", plan, exact: true };
}

function either(plans: Plan[]): Plan {
  const exact = plans.every((plan) => plan.exact);
  if (plans.some(({ kind }) => kind === "all")) {
    return plans.some((plan) => plan === everything) ? everything : anything;
  }
  const flat = plans.flatMap((plan) => plan.kind === "or" ? plan.plans : [plan]);
  const lists = flat.flatMap((plan) => plan.kind === "ranges" ? plan.ranges : []);
  const others = flat.filter((plan) => plan.kind !== "ranges");
  if (others.length === 0) return ranges(lists, exact);
  return { kind: "or", plans: lists.length === 0 ? others : [ranges(lists, exact), ...others], exact };
}

/** The intersection. Two bounds of one path become one range where they must hold for one value. */
function merged(plans: Plan[], mayMerge: (path: string) => boolean): Plan {
  const exact = plans.every((plan) => plan.exact);
  const flat = plans.flatMap((plan) => plan.kind === "and" ? plan.plans : [plan]).filter(({ kind }) =>
    kind !== "all"
  );
  const kept: Plan[] = [];
  for (const plan of flat) {
    const at = kept.findIndex((other) => canMeet(other, plan, mayMerge));
    const other = kept[at];
    if (other?.kind === "ranges" && plan.kind === "ranges") kept[at] = meet(other, plan);
    else kept.push(plan);
  }
  const [only] = kept;
  if (only === undefined) return exact ? everything : anything;
  if (kept.length === 1) return only.exact === exact ? only : inexact(only);
  return { kind: "and", plans: kept, exact };
}

function canMeet(a: Plan, b: Plan, mayMerge: (path: string) => boolean): boolean {
  if (a.kind !== "ranges" || b.kind !== "ranges" || a.ranges.length !== 1 || b.ranges.length !== 1) {
    return false;
  }
  const [one] = a.ranges;
  const [other] = b.ranges;
  return one !== undefined && other !== undefined && one.path === other.path && one.type === other.type &&
    one.test === undefined && other.test === undefined &&
    (one.type === POSTING.number || one.type === POSTING.string) && mayMerge(one.path);
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

/** Every path that `path` can stand for when each number in it is an index or a name. */
function variantsOf(path: string): string[] {
  let variants: string[][] = [[]];
  for (const part of path.split(".")) {
    const kept = variants.map((parts) => [...parts, part]);
    variants = arrayIndexOf(part) >= 0 ? [...kept, ...variants] : kept;
  }
  return variants.filter((parts) => parts.length > 0).map((parts) => parts.join("."));
}
