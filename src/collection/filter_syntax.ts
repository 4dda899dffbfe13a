/**
 * Checks a filter before anything is compiled: its size, its operators by allow-list, and their arguments as MongoDB
 * checks them.
 *
 * Source: MongoDB manual, "Query Predicates" and the page of each operator.
 */

import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import type { CheckedQuery, Condition } from "./checked_query.ts";
import { FilterProblems, quoted, under } from "./filter_problems.ts";
import {
  checkBitMask,
  checkList,
  checkMod,
  checkSize,
  checkTypes,
  isReference,
  isTrue,
} from "./operators/arguments.ts";
import { checkExpression } from "./operators/expression_syntax.ts";
import { maxPathParts } from "./paths.ts";
import { compileLinearRegex, maxRegexInstructions } from "./linear_regex.ts";

/** A filter may nest so many objects and arrays, itself included: it is checked, compiled and run by recursion. */
export const maxFilterLevels = 32;
/** A filter may be so long as JSON, in bytes of UTF-8: a document may be held against all of it, and a registry sends it to each source. */
export const maxFilterSizeBytes = 64 * 1024;

/** Operators that stand in place of a field name, on a whole document. */
const documentOperators: ReadonlySet<string> = new Set(["$and", "$or", "$nor", "$expr", "$comment"]);

/** Operators that stand under a field name. */
const fieldOperators: ReadonlySet<string> = new Set(
  ("$eq $ne $gt $gte $lt $lte $in $nin $not $exists $type $all $elemMatch $size $mod $regex $options $comment " +
    "$bitsAllSet $bitsAllClear $bitsAnySet $bitsAnyClear").split(" "),
);

/**
 * Checks a filter as it came out of JSON.
 *
 * @throws {ServiceError} `invalid_filter`; the sentence names the operator, `details` every place.
 */
export function checkFilter(input: unknown): { source: JsonObject; query: CheckedQuery } {
  const problems = new FilterProblems();
  if (!isJsonObject(input)) {
    problems.add("", "A filter must be a JSON object.");
  } else if (isBounded(input, problems)) {
    const query = new QueryCheck(problems).query(input, "", "document");
    problems.throwIfAny();
    return { source: input, query };
  }
  problems.throwIfAny();
  throw new TypeError("unreachable: a filter was refused without a problem");
}

function isBounded(input: JsonObject, problems: FilterProblems): boolean {
  if (!isShallowJson(input, maxFilterLevels)) {
    problems.add("", `A filter may have at most ${maxFilterLevels} levels of nesting, and JSON values only.`);
    return false;
  }
  const text = JSON.stringify(input);
  if (text.length > maxFilterSizeBytes || new TextEncoder().encode(text).length > maxFilterSizeBytes) {
    problems.add("", "A filter may be at most 64 KiB of JSON.");
    return false;
  }
  return true;
}

/** Whether `value` is JSON of at most `levels` nested objects and arrays. Never recurses deeper than that. */
function isShallowJson(value: unknown, levels: number): boolean {
  if (typeof value !== "object") {
    return typeof value === "string" || typeof value === "boolean" ||
      (typeof value === "number" && Number.isFinite(value));
  }
  if (value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isShallowJson(inner, levels - 1));
}

/** One pass over a filter of bounded depth. */
class QueryCheck {
  readonly #problems: FilterProblems;
  #regexInstructionsLeft = maxRegexInstructions;

  constructor(problems: FilterProblems) {
    this.#problems = problems;
  }

  /** `scope` tells a whole document from an element of an array: `$expr` sees documents only. */
  query(filter: JsonObject, at: string, scope: "document" | "element"): CheckedQuery {
    const clauses: CheckedQuery[] = [];
    for (const [key, value] of Object.entries(filter)) {
      const here = under(at, key);
      if (key.startsWith("$")) {
        clauses.push(...this.#documentOperator(key, value, here, scope));
      } else if (key.includes("\0")) {
        this.#problems.add(here, "A field name cannot contain a null character.");
      } else if (key.split(".").length > maxPathParts) {
        this.#problems.add(quoted(here), `A field path has at most ${maxPathParts} parts.`);
      } else {
        for (const condition of this.#field(value, here)) {
          clauses.push({ kind: "field", path: key, condition });
        }
      }
    }
    const [only] = clauses;
    return clauses.length === 1 && only !== undefined ? only : { kind: "and", clauses };
  }

  #documentOperator(
    operator: string,
    value: Json,
    at: string,
    scope: "document" | "element",
  ): CheckedQuery[] {
    switch (operator) {
      case "$comment":
        return [];
      case "$and":
        return [{ kind: "and", clauses: this.#clauses(operator, value, at, scope) }];
      case "$or":
        return [{ kind: "or", clauses: this.#clauses(operator, value, at, scope) }];
      case "$nor":
        return [{ kind: "nor", clauses: this.#clauses(operator, value, at, scope) }];
      case "$expr":
        if (scope === "element") return this.#refuse(at, "$expr cannot be used inside $elemMatch.");
        return [{ kind: "expr", expression: checkExpression(value, at, this.#problems) }];
    }
    const name = quoted(operator);
    return this.#refuse(
      at,
      fieldOperators.has(operator)
        ? `${name} must stand under a field name.`
        : `The operator ${name} is not supported in a filter.`,
    );
  }

  #refuse(at: string, message: string): [] {
    this.#problems.add(at, message);
    return [];
  }

  #clauses(operator: string, value: Json, at: string, scope: "document" | "element"): CheckedQuery[] {
    if (!Array.isArray(value) || value.length === 0) {
      return this.#refuse(at, `${operator} needs a non-empty array of filters.`);
    }
    return value.flatMap((clause, index) =>
      isJsonObject(clause)
        ? [this.query(clause, under(at, index), scope)]
        : this.#refuse(under(at, index), `Every entry of ${operator} must be a filter, that is, an object.`)
    );
  }

  /** A field's value in a filter: operators, or something to be equal to. */
  #field(value: Json, at: string): Condition[] {
    if (!isJsonObject(value) || isReference(value)) return [{ operator: "$eq", value }];
    const keys = Object.keys(value);
    const operators = keys.filter((key) => key.startsWith("$"));
    if (operators.length === 0) return [{ operator: "$eq", value }];
    if (operators.length < keys.length) {
      return this.#refuse(
        at,
        `Operators such as ${quoted(operators[0] ?? "")} cannot be mixed with field names.`,
      );
    }
    return this.#operators(value, at);
  }

  #operators(document: JsonObject, at: string): Condition[] {
    return Object.entries(document).flatMap(([operator, value]) =>
      this.#operator(operator, value, under(at, operator), document)
    );
  }

  #operator(operator: string, value: Json, at: string, siblings: JsonObject): Condition[] {
    switch (operator) {
      case "$eq":
      case "$gt":
      case "$gte":
      case "$lt":
      case "$lte":
        return [{ operator, value }];
      case "$ne":
        return [{ operator: "$not", conditions: [{ operator: "$eq", value }] }];
      case "$in":
        return [{ operator, values: checkList(operator, value, at, this.#problems) }];
      case "$nin":
        return [not({ operator: "$in", values: checkList(operator, value, at, this.#problems) })];
      case "$exists":
        return isTrue(value) ? [{ operator }] : [not({ operator })];
      case "$type":
        return [{ operator, types: checkTypes(value, at, this.#problems) }];
      case "$size":
        return [{ operator, size: checkSize(value, at, this.#problems) }];
      case "$mod":
        return [{ operator, ...checkMod(value, at, this.#problems) }];
      case "$bitsAllSet":
      case "$bitsAllClear":
      case "$bitsAnySet":
      case "$bitsAnyClear":
        return [{ operator, mask: checkBitMask(operator, value, at, this.#problems) }];
      case "$not":
        return this.#not(value, at);
      case "$all":
        return this.#all(value, at);
      case "$elemMatch":
        return this.#elemMatch(value, at);
      case "$regex":
        return this.#regex(value, siblings, at);
      case "$options":
        return Object.hasOwn(siblings, "$regex")
          ? []
          : this.#refuse(at, "$options needs a $regex beside it.");
      case "$comment":
        return [];
    }
    const name = quoted(operator);
    if (documentOperators.has(operator)) return this.#refuse(at, `${name} cannot stand under a field name.`);
    return this.#refuse(
      at,
      name.startsWith("$")
        ? `The operator ${name} is not supported in a filter.`
        : `Operators are expected here, not the field ${JSON.stringify(name)}.`,
    );
  }

  #not(value: Json, at: string): Condition[] {
    if (!isJsonObject(value) || Object.keys(value).length === 0) {
      return this.#refuse(at, "$not needs an object of operators, and not an empty one.");
    }
    return [{ operator: "$not", conditions: this.#operators(value, at) }];
  }

  #all(value: Json, at: string): Condition[] {
    if (!Array.isArray(value)) return this.#refuse(at, "$all needs an array.");
    if (value.length === 0) return [{ operator: "$in", values: [] }];
    const first = firstKey(value[0]);
    return value.flatMap((element, index): Condition[] => {
      const key = firstKey(element);
      if (first === "$elemMatch") {
        if (isJsonObject(element) && key === "$elemMatch" && Object.keys(element).length === 1) {
          return this.#elemMatch(element[key] ?? null, under(at, index));
        }
        return this.#refuse(under(at, index), "If one element of $all is an $elemMatch, all must be.");
      }
      if (key !== undefined && (fieldOperators.has(key) || documentOperators.has(key))) {
        return this.#refuse(under(at, index), `$all cannot contain the operator ${key}.`);
      }
      return [{ operator: "$eq", value: element }];
    });
  }

  /**
   * Operators apply to the elements themselves; field names and `$and`, `$or`, `$nor` make a filter that elements
   * which are objects or arrays must satisfy.
   */
  #elemMatch(value: Json, at: string): Condition[] {
    if (!isJsonObject(value)) return this.#refuse(at, "$elemMatch needs an object.");
    const key = firstKey(value);
    if (key?.startsWith("$") && !documentOperators.has(key)) {
      return [{ operator: "$elemMatch", conditions: this.#operators(value, at) }];
    }
    return [{ operator: "$elemMatch", query: this.query(value, at, "element") }];
  }

  #regex(value: Json, siblings: JsonObject, at: string): Condition[] {
    const options = Object.hasOwn(siblings, "$options") ? siblings.$options : "";
    if (typeof value !== "string") return this.#refuse(at, "$regex needs a string.");
    if (typeof options !== "string") return this.#refuse(at, "$options needs a string.");
    const compiled = compileLinearRegex(value, options, this.#regexInstructionsLeft);
    if ("problem" in compiled) return this.#refuse(at, compiled.problem);
    this.#regexInstructionsLeft -= compiled.regex.instructions;
    return [{ operator: "$regex", pattern: value, options, regex: compiled.regex }];
  }
}

function not(condition: Condition): Condition {
  return { operator: "$not", conditions: [condition] };
}

function firstKey(value: Json | undefined): string | undefined {
  return isJsonObject(value) ? Object.keys(value)[0] : undefined;
}
