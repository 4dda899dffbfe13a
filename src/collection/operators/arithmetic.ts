/**
 * The arithmetic of `$expr` on one or two numbers: null and missing give null, other types fail.
 *
 * Source: MongoDB manual, "Arithmetic Expression Operators".
 */

import type { Json } from "../json.ts";
import { type ExpressionValue, failed, type StrictFunction } from "./expression_value.ts";
import { roundAt } from "./rounding.ts";

function ofOne(apply: (number: number) => number): StrictFunction {
  return (value) => {
    if (value === null || value === undefined) return null;
    return typeof value === "number" ? apply(value) : failed;
  };
}

function ofTwo(apply: (a: number, b: number) => ExpressionValue): StrictFunction {
  return (a, b) => {
    if (a === null || a === undefined || b === null || b === undefined) return null;
    return typeof a === "number" && typeof b === "number" ? apply(a, b) : failed;
  };
}

/** `$round` and `$trunc`: the place is 0 if it is not given, and a whole number from -20 to 100. */
function atPlace(direction: "halfEven" | "towardZero"): (hasPlace: boolean) => StrictFunction {
  return (hasPlace) => (value: Json | undefined, place: Json | undefined) => {
    if (value === null || value === undefined) return null;
    if (hasPlace && (place === null || place === undefined)) return null;
    if (typeof value !== "number") return failed;
    const digits = hasPlace ? place : 0;
    if (typeof digits !== "number" || !Number.isInteger(digits) || digits < -20 || digits > 100) {
      return failed;
    }
    return roundAt(value, digits, direction);
  };
}

/** `$round` and `$trunc`, by whether a place is given. */
export const rounding = { $round: atPlace("halfEven"), $trunc: atPlace("towardZero") };

/** The operators on one or two numbers. */
export const arithmetic = {
  $subtract: ofTwo((a, b) => a - b),
  $divide: ofTwo((a, b) => b === 0 ? failed : a / b),
  $mod: ofTwo((a, b) => b === 0 ? failed : a % b),
  $abs: ofOne(Math.abs),
  $ceil: ofOne(Math.ceil),
  $floor: ofOne(Math.floor),
} satisfies Record<string, StrictFunction>;
