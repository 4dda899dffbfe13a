/** The arguments of query operators, checked as MongoDB checks them (manual: the page of each operator). */

import type { BitOperator, TypeName } from "../checked_query.ts";
import { type FilterProblems, under } from "../filter_problems.ts";
import { isJsonObject, type Json, type JsonObject } from "../json.ts";

/** 2⁶³: the first number above those that a 64-bit integer holds. */
export const int64End = 2 ** 63;

/** BSON's types by number and name (manual, "BSON Types"); those that JSON cannot express are `none`. */
const types: readonly (readonly [number, string, TypeName])[] = [
  [1, "double", "double"],
  [2, "string", "string"],
  [3, "object", "object"],
  [4, "array", "array"],
  [5, "binData", "none"],
  [6, "undefined", "none"],
  [7, "objectId", "none"],
  [8, "bool", "bool"],
  [9, "date", "none"],
  [10, "null", "null"],
  [11, "regex", "none"],
  [12, "dbPointer", "none"],
  [13, "javascript", "none"],
  [14, "symbol", "none"],
  [15, "javascriptWithScope", "none"],
  [16, "int", "int"],
  [17, "timestamp", "none"],
  [18, "long", "long"],
  [19, "decimal", "none"],
  [-1, "minKey", "none"],
  [127, "maxKey", "none"],
];
const typeByName: ReadonlyMap<string, TypeName> = new Map(types.map(([, name, type]) => [name, type]));
const typeByNumber: ReadonlyMap<number, TypeName> = new Map(types.map(([number, , type]) => [number, type]));

/** What counts as true for `$exists`: anything but false, null and 0. */
export function isTrue(value: Json): boolean {
  return value !== false && value !== null && value !== 0;
}

/** A DBRef, `{$ref, $id}`, is a value in MongoDB although its keys look like operators. */
export function isReference(value: JsonObject): boolean {
  return Object.hasOwn(value, "$ref") && Object.hasOwn(value, "$id");
}

/** Whether `value` is a whole number that a 64-bit signed integer holds. */
export function isInt64(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= -int64End && value < int64End;
}

/** The list of `$in` and `$nin`: anything but objects that begin with an operator. */
export function checkList(
  operator: string,
  value: Json,
  at: string,
  problems: FilterProblems,
): readonly Json[] {
  if (!Array.isArray(value)) {
    problems.add(at, `${operator} needs an array.`);
    return [];
  }
  for (const [index, element] of value.entries()) {
    if (!isJsonObject(element) || isReference(element)) continue;
    if (Object.keys(element)[0]?.startsWith("$")) {
      problems.add(under(at, index), `${operator} cannot contain operators.`);
    }
  }
  return value;
}

/** The argument of `$type`: a name, a number, or a non-empty array of them. */
export function checkTypes(value: Json, at: string, problems: FilterProblems): ReadonlySet<TypeName> {
  const set = new Set<TypeName>();
  const names = Array.isArray(value) ? value : [value];
  if (names.length === 0) problems.add(at, "$type must name at least one type.");
  for (const name of names) {
    if (name === "number") {
      set.add("int").add("long").add("double");
      continue;
    }
    const type = typeof name === "string"
      ? typeByName.get(name)
      : typeof name === "number"
      ? typeByNumber.get(name)
      : undefined;
    if (type === undefined) problems.add(at, `$type does not know the type ${shown(name)}.`);
    else set.add(type);
  }
  return set;
}

/** The argument of `$size`: a whole number from 0. */
export function checkSize(value: Json, at: string, problems: FilterProblems): number {
  if (isInt64(value) && value >= 0 && value < 2 ** 31) return value;
  problems.add(at, "$size needs a whole number that is not negative.");
  return 0;
}

/** The argument of `$mod`: `[divisor, remainder]`, both cut to whole numbers. */
export function checkMod(
  value: Json,
  at: string,
  problems: FilterProblems,
): { divisor: number; remainder: number } {
  if (Array.isArray(value) && value.length === 2) {
    const [divisor, remainder] = value.map((part) => typeof part === "number" ? Math.trunc(part) : undefined);
    if (isInt64(divisor) && isInt64(remainder)) {
      if (divisor === 0) problems.add(at, "The divisor of $mod cannot be 0.");
      return { divisor, remainder };
    }
  }
  problems.add(at, "$mod needs an array of two numbers, the divisor and the remainder.");
  return { divisor: 1, remainder: 0 };
}

/** The argument of the bit operators: a whole number from 0, or an array of bit positions from 0. */
export function checkBitMask(
  operator: BitOperator,
  value: Json,
  at: string,
  problems: FilterProblems,
): bigint {
  if (isInt64(value) && value >= 0) return BigInt(value);
  if (Array.isArray(value) && value.every((bit) => isInt64(bit) && bit >= 0 && bit < 2 ** 31)) {
    let mask = 0n;
    // Numbers are sign-extended: every position from 63 on is the sign.
    for (const bit of value) mask |= 1n << BigInt(Math.min(Number(bit), 63));
    return mask;
  }
  problems.add(at, `${operator} needs a whole number that is not negative, or an array of bit positions.`);
  return 0n;
}

function shown(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
