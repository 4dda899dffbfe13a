/**
 * What is typed into the search box, as filters.
 *
 * A collection of a million assets answers in milliseconds what its index has in order: values by how they begin. To look
 * inside values, each of them has to be read, which takes seconds there, and nothing in a small collection.
 */
import type { JsonObject } from "./json.ts";

/** Up to so many assets are always searched for words anywhere in them. */
export const SMALL_COLLECTION = 20_000;

/** The fields in which a word may stand anywhere. */
const TEXTS = [
  "asset_name",
  "asset_tags",
  "asset_uri",
  "asset_metadata.description",
];

/** The fields in which a further word may be found by how they begin: "llama 3.1 base". */
const BEGINNINGS = [
  "asset_name",
  "asset_tags",
  "asset_version.version",
  "asset_version.tag",
];

/**
 * Filters that the index alone answers, to be tried one after the other until something is found: what begins with all of
 * the text, then what has values that begin with each of its words.
 */
export function beginningFilters(typed: string): JsonObject[] {
  const words = wordsOf(typed);
  const whole = words.join(" ");
  const fields = whole.includes(":")
    ? ["asset_name", "asset_tags", "asset_uri"]
    : ["asset_name", "asset_tags"];
  const first = { $or: fields.flatMap((field) => begins(field, whole)) };
  if (words.length < 2) return [first];
  return [first, {
    $and: words.map((word) => ({
      $or: BEGINNINGS.flatMap((field) => begins(field, word)),
    })),
  }];
}

/** The filter of what has each of the words somewhere, in upper or lower case. */
export function anywhereFilter(typed: string): JsonObject {
  return allOf(
    wordsOf(typed).map((word) => {
      const match: JsonObject = { $regex: escaped(word), $options: "i" };
      return { $or: TEXTS.map((field) => ({ [field]: match })) };
    }),
  );
}

/** All of the filters. */
export function allOf(filters: JsonObject[]): JsonObject {
  const [only, ...more] = filters;
  if (only === undefined) return {};
  return more.length === 0 ? only : { $and: filters };
}

function wordsOf(typed: string): string[] {
  return typed.trim().split(/\s+/).filter((word) => word !== "");
}

/** The index knows no "whatever case": it is asked for the usual ways to write a word. */
function begins(field: string, text: string): JsonObject[] {
  const lower = text.toLowerCase();
  const capital = lower.replace(/^./u, (letter) => letter.toUpperCase());
  const spellings = new Set([text, lower, capital, text.toUpperCase()]);
  return [...spellings].map((spelling) => ({
    [field]: { $regex: `^${escaped(spelling)}` },
  }));
}

/** Text as a pattern that matches just this text. */
function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
