/** Reads the values of answers: what is missing or of another type becomes the empty value of its type. */
import type { Json } from "../collection/json.ts";

/** `value` if it is text, else "". */
export function textOf(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

/** The texts in a list. */
export function textsOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}
