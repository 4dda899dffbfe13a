/** @jsxImportSource hono/jsx */
import type { Child } from "hono/jsx";

/** A sentence in which code stands between backticks, as in Markdown. */
export function prose(sentence: string): Child[] {
  return sentence.split("`").map((part, index) => index % 2 === 1 ? <code>{part}</code> : part);
}
