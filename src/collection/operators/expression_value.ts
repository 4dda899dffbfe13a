/** What expressions of `$expr` give. */

import type { Json } from "../json.ts";

/** The value of an expression that MongoDB would end the query for. */
export const failed: unique symbol = Symbol("failed");

/** What an expression gives: `undefined` is missing. */
export type ExpressionValue = Json | undefined | typeof failed;

/** An operator on one or two values that have been evaluated. */
export type StrictFunction = (a: Json | undefined, b: Json | undefined) => ExpressionValue;
