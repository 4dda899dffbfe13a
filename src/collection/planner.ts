/**
 * From a filter to the documents that it can match, as sets of postings: never fewer than match, often exactly those.
 *
 * Sources: for what each operator matches `operators/conditions.ts` and the MongoDB manual's page of it; for what is indexed
 * `view/postings.ts`. Documents that are only partly indexed are left out here; whoever runs a plan looks at all of them.
 */
import type { CheckedQuery, Condition } from "./checked_query.ts";
import type { Json, JsonObject } from "./json.ts";
import { hasBits, hasRemainder } from "./operators/values.ts";
import { arrayIndexOf } from "./paths.ts";
import { endOfPrefix, prefixOfPattern } from "./regex_prefix.ts";
import {
  anything,
  either,
  inexact,
  key,
  merged,
  missing,
  negation,
  numbers,
  type Plan,
  type PostingRange,
  ranges,
  valuesAt,
} from "./plan.ts";
import {
  beginningOf,
  isPlain,
  lowestBeginning,
  MAX_STRING_LENGTH,
  POSTING,
  type PostingType,
} from "./view/postings.ts";
import { type BaseUrls, indexedForms } from "./view/shown_text.ts";

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

/** How many values of an object or an array that a document is asked for are looked up; the rest is tested. */
const MAX_HELD = 8;

/** The plan of a filter. */
export function planQuery(query: CheckedQuery, context: PlanContext): Plan {
  return new Planner(context).query(query, "");
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
        return either([...new Set(condition.values)].map((value) => this.#equal(path, value, isElement)));
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
        return ranges([key(path, POSTING.array, condition.size)], true);
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
    if (value === null) return isElement ? anything : missing(path, this.#context.isFlat);
    return inexact(Array.isArray(value) ? this.#equalArray(path, value) : this.#equalObject(path, value));
  }

  /** What is in the object is below it. */
  #equalObject(path: string, value: JsonObject): Plan {
    const inner = Object.entries(value)
      .filter(([name]) => name !== "" && !name.includes("."))
      .map(([name, value]) => this.#held(`${path}.${name}`, value));
    return merged([ranges([key(path, POSTING.object, 0)], false), ...inner.slice(0, MAX_HELD)], () => false);
  }

  /** The elements are at the path itself; those of an array within an array are nowhere. */
  #equalArray(path: string, value: Json[]): Plan {
    const elements = value.slice(0, MAX_HELD).map((element) => this.#held(path, element));
    const size = ranges([key(path, POSTING.array, value.length)], false);
    const nested = ranges([{ path: "", type: POSTING.nested }], false);
    return either([merged([size, ...elements], () => false), nested]);
  }

  /** A value within one that a document is asked for. */
  #held(path: string, value: Json): Plan {
    if (value === null) return ranges([key(path, POSTING.null, 0)], false);
    if (Array.isArray(value)) return anything;
    return isPlain(path) ? this.#equal(path, value, true) : anything;
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
      return isElement ? anything : missing(path, this.#context.isFlat);
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

/** Every path that `path` can stand for when each number in it is an index or a name. */
function variantsOf(path: string): string[] {
  let variants: string[][] = [[]];
  for (const part of path.split(".")) {
    const kept = variants.map((parts) => [...parts, part]);
    variants = arrayIndexOf(part) >= 0 ? [...kept, ...variants] : kept;
  }
  return variants.filter((parts) => parts.length > 0).map((parts) => parts.join("."));
}
