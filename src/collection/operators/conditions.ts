/**
 * From a checked condition to a test: of one value, or of a document at a path.
 *
 * Source: MongoDB manual, "Query an Array" and "$elemMatch".
 */

import type { CheckedQuery, Condition } from "../checked_query.ts";
import { isJsonObject, type Json, type JsonObject } from "../json.ts";
import { FieldPath, type ValueTest } from "../paths.ts";
import { equals, hasBits, hasRemainder, hasType, inRange, isOneOf } from "./values.ts";

/** Tests a whole document. */
export type DocumentTest = (document: JsonObject) => boolean;

/** Compiles a whole query; `$elemMatch` needs it for the filter inside. */
export type CompileQuery = (query: CheckedQuery) => DocumentTest;

/** The test of a document's field. */
export function fieldTest(path: FieldPath, condition: Condition, compileQuery: CompileQuery): DocumentTest {
  if (condition.operator === "$not") {
    // Negated outside of the path: no value that it leads to may satisfy the conditions, not: one does not.
    const tests = condition.conditions.map((inner) => fieldTest(path, inner, compileQuery));
    return (document) => !tests.every((test) => test(document));
  }
  const test = valueTest(condition, compileQuery);
  // These two are about an array itself, so one that lies in an array at the end of the path does not count.
  const openLeafArray = condition.operator !== "$size" && condition.operator !== "$elemMatch";
  return (document) => path.some(document, test, openLeafArray);
}

/** The test of one value as it is, which is also what `$elemMatch` asks of an element. */
function valueTest(condition: Condition, compileQuery: CompileQuery): ValueTest {
  switch (condition.operator) {
    case "$eq":
      return equals(condition.value);
    case "$gt":
    case "$gte":
    case "$lt":
    case "$lte":
      return inRange(condition.operator, condition.value);
    case "$in":
      return isOneOf(condition.values);
    case "$not": {
      const tests = condition.conditions.map((inner) => valueTest(inner, compileQuery));
      return (value) => !tests.every((test) => test(value));
    }
    case "$exists":
      return (value) => value !== undefined;
    case "$type":
      return hasType(condition.types);
    case "$mod":
      return hasRemainder(condition.divisor, condition.remainder);
    case "$regex": {
      const { regex } = condition;
      return (value) => typeof value === "string" && regex.test(value);
    }
    case "$bitsAllSet":
    case "$bitsAllClear":
    case "$bitsAnySet":
    case "$bitsAnyClear":
      return hasBits(condition.operator, condition.mask);
    case "$size": {
      const { size } = condition;
      return (value) => Array.isArray(value) && value.length === size;
    }
    case "$elemMatch": {
      const test = elementTest(condition, compileQuery);
      return (value) => Array.isArray(value) && value.some(test);
    }
  }
}

function elementTest(
  condition: Extract<Condition, { operator: "$elemMatch" }>,
  compileQuery: CompileQuery,
): (element: Json) => boolean {
  if ("conditions" in condition) {
    const tests = condition.conditions.map((inner) => valueTest(inner, compileQuery));
    return (element) => tests.every((test) => test(element));
  }
  const test = compileQuery(condition.query);
  return (element) => {
    // A nested array is an object with the keys "0", "1", … to the filter inside.
    if (Array.isArray(element)) return test(Object.fromEntries(element.entries()));
    return isJsonObject(element) && test(element);
  };
}
