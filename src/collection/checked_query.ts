/**
 * A filter after its checks: a small tree that says what to test, with every shorthand spelled out.
 *
 * `$ne`, `$nin` and `$exists: false` have become `$not` of their positive form, `$all` one condition for each
 * element, `$comment` is gone, and several operators on a field are several conditions. Whoever evaluates or plans
 * a query can rely on every argument being valid.
 */

import type { Json } from "./json.ts";
import type { LinearRegex } from "./linear_regex.ts";

/** What a document must satisfy. `and` without clauses matches everything. */
export type CheckedQuery =
  | { readonly kind: "and" | "or" | "nor"; readonly clauses: readonly CheckedQuery[] }
  | { readonly kind: "field"; readonly path: string; readonly condition: Condition }
  | { readonly kind: "expr"; readonly expression: CheckedExpression };

/** One operator on a field, or on an element of an array. */
export type Condition =
  | { readonly operator: "$eq" | "$gt" | "$gte" | "$lt" | "$lte"; readonly value: Json }
  /** No value matches an empty list. */
  | { readonly operator: "$in"; readonly values: readonly Json[] }
  /** True unless all the conditions hold. */
  | { readonly operator: "$not"; readonly conditions: readonly Condition[] }
  | { readonly operator: "$exists" }
  | { readonly operator: "$type"; readonly types: ReadonlySet<TypeName> }
  | { readonly operator: "$size"; readonly size: number }
  /** Both numbers are whole and fit into 64 bits; the divisor is not 0. */
  | { readonly operator: "$mod"; readonly divisor: number; readonly remainder: number }
  | {
    readonly operator: "$regex";
    readonly pattern: string;
    readonly options: string;
    readonly regex: LinearRegex;
  }
  /** The mask is unsigned, 64 bits wide. */
  | { readonly operator: BitOperator; readonly mask: bigint }
  /** An element that is an object or an array, and satisfies the query. */
  | { readonly operator: "$elemMatch"; readonly query: CheckedQuery }
  /** An element that satisfies all the conditions itself. */
  | { readonly operator: "$elemMatch"; readonly conditions: readonly Condition[] };

/** The four tests of bits. */
export type BitOperator = "$bitsAllSet" | "$bitsAllClear" | "$bitsAnySet" | "$bitsAnyClear";

/** A BSON type that a JSON value can have; `none` stands for those that it cannot. */
export type TypeName = "double" | "string" | "object" | "array" | "bool" | "null" | "int" | "long" | "none";

/** What stands in `$expr`. */
export type CheckedExpression =
  | { readonly kind: "literal"; readonly value: Json }
  /** The names on the way from the document; none for the document itself. */
  | { readonly kind: "field"; readonly path: readonly string[] }
  | { readonly kind: "array"; readonly items: readonly CheckedExpression[] }
  | { readonly kind: "object"; readonly fields: readonly (readonly [string, CheckedExpression])[] }
  | {
    readonly kind: "call";
    readonly operator: ExpressionOperator;
    readonly args: readonly CheckedExpression[];
  };

/** The operators of `$expr` that take expressions, with the least and the greatest number of them. */
export const expressionArity = {
  $eq: [2, 2],
  $ne: [2, 2],
  $gt: [2, 2],
  $gte: [2, 2],
  $lt: [2, 2],
  $lte: [2, 2],
  $cmp: [2, 2],
  $and: [0, Infinity],
  $or: [0, Infinity],
  $not: [1, 1],
  $add: [0, Infinity],
  $subtract: [2, 2],
  $multiply: [0, Infinity],
  $divide: [2, 2],
  $mod: [2, 2],
  $abs: [1, 1],
  $ceil: [1, 1],
  $floor: [1, 1],
  $round: [1, 2],
  $trunc: [1, 2],
  $cond: [3, 3],
  $ifNull: [2, Infinity],
  $size: [1, 1],
  $in: [2, 2],
  $arrayElemAt: [2, 2],
  $concat: [0, Infinity],
  $toLower: [1, 1],
  $toUpper: [1, 1],
  $strLenCP: [1, 1],
} as const satisfies Record<string, readonly [number, number]>;

/** The name of an operator that takes expressions. */
export type ExpressionOperator = keyof typeof expressionArity;
