/**
 * Checks what stands in `$expr`: operators by allow-list, the number of their arguments, field paths and variables.
 *
 * Source: MongoDB manual, "Aggregation Expressions".
 */

import { type CheckedExpression, expressionArity, type ExpressionOperator } from "../checked_query.ts";
import { type FilterProblems, quoted, under } from "../filter_problems.ts";
import { isJsonObject, type Json, type JsonObject } from "../json.ts";
import { maxPathParts } from "../paths.ts";

const nothing: CheckedExpression = { kind: "literal", value: null };

/** Checks an expression that stands at `at` in the filter; its depth is bounded by the filter's. */
export function checkExpression(value: Json, at: string, problems: FilterProblems): CheckedExpression {
  if (typeof value === "string") {
    return value.startsWith("$") ? checkReference(value, at, problems) : { kind: "literal", value };
  }
  if (Array.isArray(value)) {
    return { kind: "array", items: value.map((item, i) => checkExpression(item, under(at, i), problems)) };
  }
  if (!isJsonObject(value)) return { kind: "literal", value };
  const keys = Object.keys(value);
  const operator = keys.find((key) => key.startsWith("$"));
  if (operator === undefined) return checkObject(value, at, problems);
  if (keys.length === 1) return checkCall(operator, value[operator] ?? null, under(at, operator), problems);
  problems.add(at, `An expression has one operator: ${quoted(operator)} must be alone in its object.`);
  return nothing;
}

/** `"$a.b"`, `"$$ROOT"`, `"$$CURRENT.a"`. */
function checkReference(text: string, at: string, problems: FilterProblems): CheckedExpression {
  const [head = "", ...rest] = text.slice(1).split(".");
  if (head.startsWith("$")) {
    if (head !== "$ROOT" && head !== "$CURRENT") {
      problems.add(at, `The variable ${quoted(`$${head}`)} is not supported in a filter.`);
      return nothing;
    }
    return checkPath(rest, text, at, problems);
  }
  return checkPath([head, ...rest], text, at, problems);
}

function checkPath(path: string[], text: string, at: string, problems: FilterProblems): CheckedExpression {
  if (
    path.length > maxPathParts ||
    path.some((name) => name === "" || name.startsWith("$") || name.includes("\0"))
  ) {
    problems.add(at, `${JSON.stringify(quoted(text))} is not a field path.`);
    return nothing;
  }
  return { kind: "field", path };
}

function checkObject(value: JsonObject, at: string, problems: FilterProblems): CheckedExpression {
  const fields = Object.entries(value).map(([name, field]): readonly [string, CheckedExpression] => {
    if (name === "" || name.includes(".") || name.includes("\0")) {
      problems.add(
        under(at, name),
        `${JSON.stringify(quoted(name))} cannot name a field of an object in $expr.`,
      );
    }
    return [name, checkExpression(field, under(at, name), problems)];
  });
  return { kind: "object", fields };
}

function checkCall(operator: string, value: Json, at: string, problems: FilterProblems): CheckedExpression {
  if (operator === "$literal") return { kind: "literal", value };
  if (!isExpressionOperator(operator)) {
    problems.add(at, `The operator ${quoted(operator)} is not supported in $expr.`);
    return nothing;
  }
  if (operator === "$cond" && isJsonObject(value)) return checkConditional(value, at, problems);
  // An argument that is not an array counts as one argument.
  const args = Array.isArray(value)
    ? value.map((arg, i) => checkExpression(arg, under(at, i), problems))
    : [checkExpression(value, at, problems)];
  const [least, most] = expressionArity[operator];
  if (args.length < least || args.length > most) {
    problems.add(at, `${operator} takes ${arityText(least, most)}, not ${args.length}.`);
    return nothing;
  }
  return { kind: "call", operator, args };
}

/** The long form of `$cond`: `{if, then, else}`, all three and nothing else. */
function checkConditional(value: JsonObject, at: string, problems: FilterProblems): CheckedExpression {
  const names = ["if", "then", "else"];
  if (Object.keys(value).length !== 3 || !names.every((name) => Object.hasOwn(value, name))) {
    problems.add(at, "$cond needs exactly the fields if, then and else.");
    return nothing;
  }
  const args = names.map((name) => checkExpression(value[name] ?? null, under(at, name), problems));
  return { kind: "call", operator: "$cond", args };
}

function isExpressionOperator(name: string): name is ExpressionOperator {
  return Object.hasOwn(expressionArity, name);
}

function arityText(least: number, most: number): string {
  if (most === Infinity) return `at least ${least} arguments`;
  const count = least === most ? `${least}` : `${least} to ${most}`;
  return `${count} argument${most === 1 ? "" : "s"}`;
}
