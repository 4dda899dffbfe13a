/**
 * Filters: MongoDB query documents over JSON documents.
 *
 * mingo evaluates them, in a context that holds only the operators of the allow-list. Its logical operators are its
 * own; every other operator is ours, because mingo 7 departs from MongoDB's manual in how it walks paths, compares
 * and counts.
 *
 * @example
 * ```ts
 * const filter = compileFilter({ asset_tags: "image", "asset_file_info.file_size": { $gt: 1000 } });
 * const matches = documents.filter((document) => filter.test(document));
 * ```
 */

import { Context } from "mingo/core";
import { $and, $nor, $or } from "mingo/operators/query/logical";
import { Query } from "mingo/query";
import type { Options } from "mingo/types";
import type { CheckedExpression, CheckedQuery, Condition } from "./checked_query.ts";
import { checkFilter } from "./filter_syntax.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import { type DocumentTest, fieldTest } from "./operators/conditions.ts";
import { compileExpression, type Evaluate, isTruthy } from "./operators/expression.ts";
import { failed } from "./operators/expression_value.ts";
import { FieldPath } from "./paths.ts";

export type { CheckedQuery } from "./checked_query.ts";

/** A compiled filter. */
export interface Filter {
  /** The filter as the client sent it. */
  readonly source: JsonObject;
  /** The same after its checks, for whoever plans a query. */
  readonly query: CheckedQuery;
  /** Whether one document can take the filter long: it has a `$regex` or an `$expr`. */
  readonly isSlow: boolean;
  /** Whether it has so many values that to plan a query takes long: each of them is looked up. */
  readonly isLarge: boolean;
  /**
   * Whether `document` matches. Never throws.
   *
   * Where MongoDB would fail the whole query at a document (`$expr` with an `$add` of a string, a `$size` of what is
   * no array, a division by zero), that document does not match, also under `$nor`.
   */
  test(document: JsonObject): boolean;
}

/**
 * Checks and compiles a filter as it came out of JSON.
 *
 * @throws {ServiceError} `invalid_filter`; the sentence names the operator, `details` lists `{path, message}`.
 */
export function compileFilter(input: unknown): Filter {
  const { source, query } = checkFilter(input);
  const failure = { hasOccurred: false };
  const matches = compileQuery(query, failure);
  return {
    source,
    query,
    isSlow: /"\$(?:regex|expr)"/.test(JSON.stringify(source)),
    isLarge: countValues(source) > FEW_VALUES,
    test(document) {
      failure.hasOccurred = false;
      return matches(document) && !failure.hasOccurred;
    },
  };
}

/** Measured: to look one up takes 20 to 50 µs. */
const FEW_VALUES = 200;

function countValues(json: Json): number {
  if (typeof json !== "object" || json === null) return 1;
  return Object.values(json).reduce<number>((sum, inner) => sum + countValues(inner), 1);
}

/** Set when an expression fails at the document under test. */
interface Failure {
  hasOccurred: boolean;
}

function compileQuery(query: CheckedQuery, failure: Failure): DocumentTest {
  const mingoQuery = new Query<JsonObject>(condition(query, failure), { context });
  return (document) => mingoQuery.test(document);
}

/**
 * One operator on a field, as mingo is given it. mingo copies plain objects and loses a `__proto__` key of theirs,
 * and makes a RegExp of a plain `$regex`; an instance of a class it passes on untouched.
 */
class Clause {
  [operator: string]: FieldCondition;

  constructor(operator: Condition["operator"], argument: FieldCondition) {
    this[operator] = argument;
  }
}

/** An operator's argument. Its fields are private because mingo writes every query document as JSON. */
class FieldCondition {
  readonly #path: string;
  readonly #condition: Condition;
  readonly #failure: Failure;

  constructor(path: string, condition: Condition, failure: Failure) {
    this.#path = path;
    this.#condition = condition;
    this.#failure = failure;
  }

  compile(): DocumentTest {
    return fieldTest(
      new FieldPath(this.#path),
      this.#condition,
      (query) => compileQuery(query, this.#failure),
    );
  }
}

/** The query document for mingo. Fields carry their path in the argument, so all have one name here. */
function condition(query: CheckedQuery, failure: Failure): Record<string, unknown> {
  switch (query.kind) {
    case "field":
      return {
        field: new Clause(query.condition.operator, new FieldCondition(query.path, query.condition, failure)),
      };
    case "expr":
      return { $expr: new ExpressionTest(query.expression, failure) };
    default:
      if (query.clauses.length === 0) return {};
      return { [`$${query.kind}`]: query.clauses.map((clause) => condition(clause, failure)) };
  }
}

/** An expression as mingo is given it: again no plain object. */
class ExpressionTest {
  readonly #evaluate: Evaluate;
  readonly #failure: Failure;

  constructor(expression: CheckedExpression, failure: Failure) {
    this.#evaluate = compileExpression(expression);
    this.#failure = failure;
  }

  matches(document: JsonObject): boolean {
    const value = this.#evaluate(document);
    if (value !== failed) return isTruthy(value);
    this.#failure.hasOccurred = true;
    return false;
  }
}

/** Our operator under every field operator's name: the argument says the rest. */
function onField(_selector: string, argument: unknown, _options: Options): (document: unknown) => boolean {
  if (!(argument instanceof FieldCondition)) {
    throw new TypeError("unreachable: a condition that was not checked");
  }
  const test = argument.compile();
  return (document) => isJsonObject(document) && test(document);
}

/** `$expr` comes as the test that it has been compiled to. */
function onExpression(_selector: string, test: unknown, _options: Options): (document: unknown) => boolean {
  if (!(test instanceof ExpressionTest)) {
    throw new TypeError("unreachable: an expression that was not checked");
  }
  return (document) => isJsonObject(document) && test.matches(document);
}

const context = Context.init({
  query: {
    $and,
    $or,
    $nor,
    $expr: onExpression,
    $eq: onField,
    $gt: onField,
    $gte: onField,
    $lt: onField,
    $lte: onField,
    $in: onField,
    $not: onField,
    $exists: onField,
    $type: onField,
    $size: onField,
    $mod: onField,
    $regex: onField,
    $elemMatch: onField,
    $bitsAllSet: onField,
    $bitsAllClear: onField,
    $bitsAnySet: onField,
    $bitsAnyClear: onField,
  } satisfies Record<Condition["operator"] | "$and" | "$or" | "$nor" | "$expr", unknown>,
});
