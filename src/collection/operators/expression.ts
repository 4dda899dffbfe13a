/**
 * Evaluates `$expr` on a document.
 *
 * Source: MongoDB manual, "Aggregation Expressions" and the page of each operator. Missing is not null here: it is
 * less than everything, null included. A path goes through arrays of objects and collects what it finds; a number in
 * it is a field name, not an index.
 *
 * Where MongoDB fails the whole query at a document (`$add` of a string, `$size` of what is no array, a division by
 * zero), the value is `failed`.
 */

import type { CheckedExpression, ExpressionOperator } from "../checked_query.ts";
import { isJsonObject, type Json, type JsonObject } from "../json.ts";
import { compareBson } from "../order.ts";
import { ownField } from "../paths.ts";
import { arithmetic, rounding } from "./arithmetic.ts";
import { type ExpressionValue, failed, type StrictFunction } from "./expression_value.ts";

/** Evaluates an expression on a document. */
export type Evaluate = (document: JsonObject) => ExpressionValue;

/** Compiles a checked expression. */
export function compileExpression(expression: CheckedExpression): Evaluate {
  switch (expression.kind) {
    case "literal": {
      const { value } = expression;
      return () => value;
    }
    case "field": {
      const { path } = expression;
      return (document) => collect(document, path, 0);
    }
    case "array":
      return arrayOf(expression.items.map(compileExpression));
    case "object":
      return objectOf(expression.fields.map(([name, field]) => [name, compileExpression(field)]));
    case "call":
      return call(expression.operator, expression.args.map(compileExpression));
  }
}

/** What counts as true: anything but false, null, missing and 0. */
export function isTruthy(value: Json | undefined): boolean {
  return value !== false && value !== null && value !== undefined && value !== 0;
}

function collect(value: Json | undefined, path: readonly string[], at: number): Json | undefined {
  let found = value;
  for (let i = at; i < path.length; i++) {
    if (Array.isArray(found)) {
      const inner = found.map((item) => isJsonObject(item) ? collect(item, path, i) : undefined);
      return inner.filter((item) => item !== undefined);
    }
    if (!isJsonObject(found)) return undefined;
    found = ownField(found, path[i] ?? "");
  }
  return found;
}

function arrayOf(items: readonly Evaluate[]): Evaluate {
  return (document) => {
    const values: Json[] = [];
    for (const item of items) {
      const value = item(document);
      if (value === failed) return failed;
      values.push(value ?? null);
    }
    return values;
  };
}

function objectOf(fields: readonly (readonly [string, Evaluate])[]): Evaluate {
  return (document) => {
    const entries: [string, Json][] = [];
    for (const [name, field] of fields) {
      const value = field(document);
      if (value === failed) return failed;
      if (value !== undefined) entries.push([name, value]);
    }
    // Not by assignment: a field may be called __proto__.
    return Object.fromEntries(entries);
  };
}

function call(operator: ExpressionOperator, args: readonly Evaluate[]): Evaluate {
  const [first = missing, second = missing, third = missing] = args;
  switch (operator) {
    case "$and":
      return (document) => decide(args, document, false);
    case "$or":
      return (document) => decide(args, document, true);
    case "$cond":
      return (document) => {
        const condition = first(document);
        if (condition === failed) return failed;
        return isTruthy(condition) ? second(document) : third(document);
      };
    case "$ifNull":
      return (document) => firstPresent(args, document);
    case "$concat":
    case "$add":
    case "$multiply":
      return fold(operator, args);
    case "$round":
    case "$trunc":
      return strict(rounding[operator](args.length === 2), first, second);
    default:
      return strict(functions[operator], first, second);
  }
}

function missing(): undefined {
  return undefined;
}

/** `$and` and `$or`: whether an argument's truth is `looked`; later arguments are not evaluated then. */
function decide(args: readonly Evaluate[], document: JsonObject, looked: boolean): ExpressionValue {
  for (const arg of args) {
    const value = arg(document);
    if (value === failed) return failed;
    if (isTruthy(value) === looked) return looked;
  }
  return !looked;
}

/** `$ifNull`: the first value that is neither null nor missing, else the last. */
function firstPresent(args: readonly Evaluate[], document: JsonObject): ExpressionValue {
  let value: ExpressionValue;
  for (const arg of args) {
    value = arg(document);
    if (value !== null && value !== undefined) return value;
  }
  return value;
}

/** The most characters a `$concat` may make: four times what a whole document holds, where MongoDB's limit is 16 MB. */
const MAX_TEXT_LENGTH = 2 ** 20;

/** Operators on any number of arguments of one type, from left to right; null or missing makes the result null. */
function fold(operator: "$concat" | "$add" | "$multiply", args: readonly Evaluate[]): Evaluate {
  const isText = operator === "$concat";
  return (document) => {
    let sum = 0;
    let product = 1;
    let text = "";
    for (const arg of args) {
      const value = arg(document);
      if (value === null || value === undefined) return null;
      if (isText) {
        if (typeof value !== "string") return failed;
        text += value;
        if (text.length > MAX_TEXT_LENGTH) return failed;
      } else {
        if (typeof value !== "number") return failed;
        sum += value;
        product *= value;
      }
    }
    return isText ? text : operator === "$add" ? sum : product;
  };
}

function strict(apply: StrictFunction, first: Evaluate, second: Evaluate): Evaluate {
  return (document) => {
    const a = first(document);
    if (a === failed) return failed;
    const b = second(document);
    return b === failed ? failed : apply(a, b);
  };
}

/** Compares as in an expression: missing comes before null. */
function compare(a: Json | undefined, b: Json | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  return Math.sign(compareBson(a, b));
}

type StrictOperator = Exclude<
  ExpressionOperator,
  "$and" | "$or" | "$cond" | "$ifNull" | "$concat" | "$add" | "$multiply" | "$round" | "$trunc"
>;

const functions: Record<StrictOperator, StrictFunction> = {
  ...arithmetic,
  $eq: (a, b) => compare(a, b) === 0,
  $ne: (a, b) => compare(a, b) !== 0,
  $gt: (a, b) => compare(a, b) > 0,
  $gte: (a, b) => compare(a, b) >= 0,
  $lt: (a, b) => compare(a, b) < 0,
  $lte: (a, b) => compare(a, b) <= 0,
  $cmp: compare,
  $not: (value) => !isTruthy(value),
  $size: (value) => Array.isArray(value) ? value.length : failed,
  $in: (value, list) => Array.isArray(list) ? list.some((item) => compare(item, value) === 0) : failed,
  $arrayElemAt: elementAt,
  $toLower: (value) => changeCase(value, /[A-Z]+/g, (letters) => letters.toLowerCase()),
  $toUpper: (value) => changeCase(value, /[a-z]+/g, (letters) => letters.toUpperCase()),
  $strLenCP: (value) => typeof value === "string" ? codePointCount(value) : failed,
};

/** `$arrayElemAt`: counted from the end if negative, missing beyond either end. */
function elementAt(list: Json | undefined, index: Json | undefined): ExpressionValue {
  if (list === null || list === undefined || index === null || index === undefined) return null;
  if (!Array.isArray(list) || typeof index !== "number" || (index | 0) !== index) return failed;
  return list.at(index);
}

/** `$toLower` and `$toUpper`: letters of ASCII alone; null and missing give "", numbers their text. */
function changeCase(
  value: Json | undefined,
  letters: RegExp,
  change: (letters: string) => string,
): ExpressionValue {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string" && typeof value !== "number") return failed;
  return String(value).replaceAll(letters, change);
}

function codePointCount(text: string): number {
  let count = 0;
  for (const _character of text) count++;
  return count;
}
