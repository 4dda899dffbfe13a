/**
 * The order of JSON values as BSON has it, and the `sort` of a query.
 *
 * Sources: MongoDB manual, "Comparison/Sort Order" (types, objects, arrays) and "cursor.sort()" (an array sorts by
 * its smallest element when ascending, by its largest when descending).
 *
 * @example
 * ```ts
 * const keys = parseSort("asset_name,-asset_file_info.file_size");
 * const valuesOf = sortValues(keys);
 * const compare = compareBySort(keys);
 * const sorted = documents.map((document) => ({ document, by: valuesOf(document) }))
 *   .sort((a, b) => compare(a.by, b.by));
 * ```
 */

import { ServiceError } from "../errors.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import { arrayIndexOf, maxPathParts, ownField } from "./paths.ts";

/**
 * The rank of a value's type in BSON's order: missing and null, numbers, strings, objects, arrays, booleans.
 * Equal ranks mean that two values can be compared by a range operator ("type bracketing").
 */
export function bsonRank(value: Json | undefined): number {
  switch (typeof value) {
    case "number":
      return 1;
    case "string":
      return 2;
    case "boolean":
      return 5;
    case "undefined":
      return 0;
  }
  if (value === null) return 0;
  return Array.isArray(value) ? 4 : 3;
}

/**
 * Compares two values in BSON's order. Returns a negative number, 0 or a positive number.
 *
 * Missing (`undefined`) equals null, as in a sort. Strings compare by code point, objects field by field in their
 * own key order (type, then name, then value; the shorter first), arrays element by element. Works at any nesting
 * depth without recursion, because a stored document may nest deeper than the call stack.
 */
export function compareBson(a: Json | undefined, b: Json | undefined): number {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return compareFlat(a, b);
  return compareNested(a, b);
}

/** Compares by type, and by value where neither is an object nor an array. */
function compareFlat(a: Json | undefined, b: Json | undefined): number {
  if (typeof a === "string" && typeof b === "string") return compareStrings(a, b);
  if (typeof a === "number" && typeof b === "number") return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  return bsonRank(a) - bsonRank(b);
}

/** Two objects or two arrays being compared; `keys*` are null for arrays. */
interface NestedPair {
  readonly a: readonly Json[];
  readonly b: readonly Json[];
  readonly keysA: readonly string[] | null;
  readonly keysB: readonly string[] | null;
  next: number;
}

function compareNested(a: Json[] | JsonObject, b: Json[] | JsonObject): number {
  const first = nestedPair(a, b);
  if (first === undefined) return bsonRank(a) - bsonRank(b);
  const open: NestedPair[] = [first];
  for (let pair = open.at(-1); pair !== undefined; pair = open.at(-1)) {
    const { a, b, keysA, keysB } = pair;
    const at = pair.next++;
    if (at >= a.length || at >= b.length) {
      if (a.length !== b.length) return a.length - b.length;
      open.pop();
      continue;
    }
    const left = a[at];
    const right = b[at];
    if (keysA !== null && keysB !== null) {
      const order = bsonRank(left) - bsonRank(right) || compareStrings(keysA[at] ?? "", keysB[at] ?? "");
      if (order !== 0) return order;
    }
    const inner = typeof left === "object" && left !== null && typeof right === "object" && right !== null
      ? nestedPair(left, right)
      : undefined;
    if (inner !== undefined) {
      open.push(inner);
    } else {
      const order = compareFlat(left, right);
      if (order !== 0) return order;
    }
  }
  return 0;
}

/** The pair to walk through if both are arrays or both are objects, else undefined. */
function nestedPair(a: Json[] | JsonObject, b: Json[] | JsonObject): NestedPair | undefined {
  if (Array.isArray(a)) return Array.isArray(b) ? { a, b, keysA: null, keysB: null, next: 0 } : undefined;
  if (Array.isArray(b)) return undefined;
  return { a: Object.values(a), b: Object.values(b), keysA: Object.keys(a), keysB: Object.keys(b), next: 0 };
}

/**
 * Compares two strings by code point, which is the order of their UTF-8 bytes.
 * JavaScript's own `<` compares UTF-16 units and so puts U+1F600 before U+FFFD.
 */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const unitA = a.charCodeAt(i);
    const unitB = b.charCodeAt(i);
    if (unitA !== unitB) return codePointRank(unitA) - codePointRank(unitB);
  }
  return a.length - b.length;
}

/** Moves the surrogates, which stand for code points above U+FFFF, behind U+E000–U+FFFF. */
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

/** One key of a sort: a dotted path and its direction. */
export interface SortKey {
  path: string;
  descending: boolean;
}

/** MongoDB's limit on the keys of one sort (MongoDB manual, "cursor.sort()"). */
const maxSortKeys = 32;

/**
 * Reads the `sort` of a query string: comma-separated dotted paths, `-` in front for descending.
 *
 * @throws {ServiceError} `invalid_request` if a path is empty, malformed or named twice, or there are more than 32.
 */
export function parseSort(text: string): SortKey[] {
  const items = text.split(",");
  if (items.length > maxSortKeys) throw sortError(`A sort has at most ${maxSortKeys} keys.`);
  const seen = new Set<string>();
  return items.map((item) => {
    const descending = item.startsWith("-");
    const path = descending ? item.slice(1) : item;
    if (path === "") throw sortError("A sort key is empty.");
    const parts = path.split(".");
    if (parts.includes("")) throw sortError(`The sort key ${JSON.stringify(path)} has an empty part.`);
    if (parts.some((part) => part.startsWith("$") || part.includes("\0"))) {
      throw sortError(`The sort key ${JSON.stringify(path)} is not a field path.`);
    }
    if (parts.length > maxPathParts) throw sortError(`A sort key has at most ${maxPathParts} parts.`);
    if (seen.has(path)) throw sortError(`The sort key ${JSON.stringify(path)} is named twice.`);
    seen.add(path);
    return { path, descending };
  });
}

function sortError(message: string): ServiceError {
  return new ServiceError("invalid_request", message, { details: [{ path: "sort", message }] });
}

/**
 * What one document is sorted by: a value for each key, null for a missing field. `undefined` stands for an empty
 * array, which sorts below null.
 */
export type SortValues = readonly (Json | undefined)[];

/**
 * Returns a function that takes from a document what it is sorted by. Do this once for each document, then compare
 * the results with {@link compareBySort}.
 *
 * Of an array the smallest element counts when ascending, the largest when descending. Keys that meet in one array
 * (`parts.size,parts.color`) take their values from the same element. Where MongoDB refuses to sort by two different
 * arrays of a document, each is reduced on its own.
 */
export function sortValues(keys: readonly SortKey[]): (document: JsonObject) => SortValues {
  const sort: SortPlan = {
    paths: keys.map((key) => key.path.split(".")),
    signs: keys.map((key) => key.descending ? -1 : 1),
  };
  return (document) => valuesOf(keys.map((_, key) => ({ key, at: 0, value: document })), sort);
}

interface SortPlan {
  readonly paths: readonly (readonly string[])[];
  readonly signs: readonly number[];
}

/** How far a key's path has been followed: `value` is what its first `at` parts lead to. */
interface Reach {
  readonly key: number;
  readonly at: number;
  readonly value: Json | undefined;
}

/** The values that the paths of `reaches` end at, in the same order. */
function valuesOf(reaches: readonly Reach[], sort: SortPlan): SortValues {
  const values: (Json | undefined)[] = [];
  const arrays = new Map<Json[], { ends: Reach[]; places: number[] }>();
  for (const [place, reach] of reaches.entries()) {
    const end = follow(reach, sort);
    if (!Array.isArray(end.value)) {
      values[place] = end.value ?? null;
      continue;
    }
    const group = arrays.get(end.value) ?? { ends: [], places: [] };
    group.ends.push(end);
    group.places.push(place);
    arrays.set(end.value, group);
  }
  for (const [array, { ends, places }] of arrays) {
    const best = firstInArray(array, ends, sort);
    for (const [i, place] of places.entries()) values[place] = best[i];
  }
  return values;
}

/** Goes on through objects, and through arrays by index, until the path ends or an array has to be opened. */
function follow({ key, at, value }: Reach, sort: SortPlan): Reach {
  const path = sort.paths[key] ?? [];
  for (; at < path.length; at++) {
    const name = path[at] ?? "";
    if (Array.isArray(value)) {
      const index = arrayIndexOf(name);
      if (index < 0 || index >= value.length) break;
      value = value[index];
    } else if (isJsonObject(value)) {
      value = ownField(value, name);
    } else {
      return { key, at: path.length, value: null };
    }
  }
  return { key, at, value };
}

/** The values from that element of `array` which comes first in the sort. */
function firstInArray(array: readonly Json[], ends: readonly Reach[], sort: SortPlan): SortValues {
  const isLeaf = (end: Reach) => end.at === sort.paths[end.key]?.length;
  if (array.length === 0) return ends.map((end) => isLeaf(end) ? undefined : null);
  const inner = ends.filter((end) => !isLeaf(end));
  let best: SortValues | undefined;
  for (const element of array) {
    const innerValues = isJsonObject(element)
      ? valuesOf(inner.map(({ key, at }) => ({ key, at, value: element })), sort).values()
      : inner.map(() => null).values();
    const candidate = ends.map((end) => isLeaf(end) ? element : innerValues.next().value);
    if (best === undefined || compareEnds(candidate, best, ends, sort) < 0) best = candidate;
  }
  return best ?? [];
}

function compareEnds(a: SortValues, b: SortValues, ends: readonly Reach[], sort: SortPlan): number {
  for (const [i, { key }] of ends.entries()) {
    const order = compareSortValue(a[i], b[i]) * (sort.signs[key] ?? 1);
    if (order !== 0) return order;
  }
  return 0;
}

/** Compares what {@link sortValues} returned, for the same keys. 0 means a tie. */
export function compareBySort(keys: readonly SortKey[]): (a: SortValues, b: SortValues) => number {
  const signs = keys.map((key) => key.descending ? -1 : 1);
  return (a, b) => {
    for (let i = 0; i < signs.length; i++) {
      const order = compareSortValue(a[i], b[i]);
      if (order !== 0) return order * (signs[i] ?? 1);
    }
    return 0;
  };
}

function compareSortValue(a: Json | undefined, b: Json | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  return compareBson(a, b);
}
