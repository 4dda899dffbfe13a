/**
 * What one value must satisfy: the tests behind the query operators, for a value that a path led to.
 *
 * Sources: MongoDB manual, "Comparison/Sort Order" (only values of one type are in a range of each other), "Query for
 * Null or Missing Fields", "$mod", "$type", and the pages of the bit operators.
 */

import type { BitOperator, TypeName } from "../checked_query.ts";
import { isJsonObject, type Json } from "../json.ts";
import { bsonRank, compareBson } from "../order.ts";
import type { ValueTest } from "../paths.ts";
import { isInt64 } from "./arguments.ts";

/** Equality: null equals missing, sub-documents are equal only with the same keys in the same order. */
export function equals(expected: Json): ValueTest {
  if (expected === null) return (value) => value === null || value === undefined;
  if (Array.isArray(expected)) {
    const tests = expected.map(equalsPresent);
    return (value) =>
      Array.isArray(value) && value.length === tests.length && value.every((item, i) => tests[i]?.(item));
  }
  if (isJsonObject(expected)) {
    const names = Object.keys(expected);
    const tests = Object.values(expected).map(equalsPresent);
    return (value) => {
      if (!isJsonObject(value)) return false;
      const keys = Object.keys(value);
      return keys.length === names.length &&
        keys.every((key, i) => key === names[i] && tests[i]?.(value[key]));
    };
  }
  return (value) => value === expected;
}

/** Equality inside of objects and arrays, where nothing is missing. */
function equalsPresent(expected: Json): ValueTest {
  return expected === null ? (value) => value === null : equals(expected);
}

/** `$gt`, `$gte`, `$lt`, `$lte`: only within the type of `bound`; null is in range of null and missing alone. */
export function inRange(operator: "$gt" | "$gte" | "$lt" | "$lte", bound: Json): ValueTest {
  const orEqual = operator === "$gte" || operator === "$lte";
  const sign = operator === "$gt" || operator === "$gte" ? 1 : -1;
  if (typeof bound === "number") {
    switch (operator) {
      case "$gt":
        return (value) => typeof value === "number" && value > bound;
      case "$gte":
        return (value) => typeof value === "number" && value >= bound;
      case "$lt":
        return (value) => typeof value === "number" && value < bound;
      case "$lte":
        return (value) => typeof value === "number" && value <= bound;
    }
  }
  const rank = bsonRank(bound);
  return (value) => {
    if (bsonRank(value) !== rank) return false;
    const order = compareBson(value, bound) * sign;
    return order > 0 || (orEqual && order === 0);
  };
}

/** `$in`: equality with any of `values`. */
export function isOneOf(values: readonly Json[]): ValueTest {
  const flat = new Set(values.filter((value) => typeof value !== "object"));
  const nested = values.filter((value) => typeof value === "object" && value !== null).sort(compareBson);
  const hasNull = values.includes(null);
  return (value) => {
    if (value === undefined || value === null) return hasNull;
    return typeof value === "object" ? includesSorted(nested, value) : flat.has(value);
  };
}

function includesSorted(sorted: readonly Json[], value: Json): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareBson(sorted[middle], value);
    if (order === 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}

/** The BSON type of a JSON value, undefined for missing; numbers as relaxed Extended JSON reads them. */
function typeOf(value: Json | undefined): TypeName | undefined {
  switch (typeof value) {
    case "undefined":
      return undefined;
    case "string":
      return "string";
    case "boolean":
      return "bool";
    case "number":
      if (!isInt64(value)) return "double";
      return value >= -(2 ** 31) && value < 2 ** 31 ? "int" : "long";
  }
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : "object";
}

/** `$type`. */
export function hasType(types: ReadonlySet<TypeName>): ValueTest {
  return (value) => {
    const type = typeOf(value);
    return type !== undefined && types.has(type);
  };
}

/** `$mod`: numbers are cut to whole ones first; those beyond 64 bits never match. */
export function hasRemainder(divisor: number, remainder: number): ValueTest {
  return (value) => {
    if (typeof value !== "number") return false;
    const dividend = Math.trunc(value);
    return isInt64(dividend) && dividend % divisor === remainder;
  };
}

/** The bit operators: on whole numbers within 64 bits, sign-extended. */
export function hasBits(operator: BitOperator, mask: bigint): ValueTest {
  const onMask = (value: number) => BigInt.asUintN(64, BigInt(value)) & mask;
  const tests: Record<BitOperator, (value: number) => boolean> = {
    $bitsAllSet: (value) => onMask(value) === mask,
    $bitsAllClear: (value) => onMask(value) === 0n,
    $bitsAnySet: (value) => onMask(value) !== 0n,
    $bitsAnyClear: (value) => onMask(value) !== mask,
  };
  const test = tests[operator];
  return (value) => isInt64(value) && test(value);
}
