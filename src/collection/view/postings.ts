/**
 * What of a document goes into the index: for every value that a filter can reach, its path, its type, and the value.
 *
 * A path is the names on the way joined by dots; arrays leave no trace in it, because a filter's path goes through them.
 * So `{a: [{b: 1}, {b: "x"}]}` gives `a` as an array of 2 and as an object, and `a.b` as 1 and as "x".
 */
import { type Json, type JsonObject } from "../json.ts";

/**
 * The type of a posting. The first six are in BSON's order (`bsonRank`), which is the order of a sort.
 *
 * - `object`: the value is 0; what is in it is at the paths below
 * - `array`: the value is the length of an array that stands at the path itself, not in another array; its elements are beside it
 * - `longString`: the value is only how the string begins
 */
export const POSTING = {
  null: 0,
  number: 1,
  string: 2,
  object: 3,
  array: 4,
  bool: 5,
  longString: 6,
  /** At the path "": the document has an array within an array, into which only a path with an index leads. */
  nested: 7,
  /** At the path "": not everything of the document is indexed, so every query must look at it. */
  partial: 8,
} as const;

/** More than any of {@link POSTING}. */
const POSTING_TYPES = 16;

/** One number for a path, by its own number, and a type; those of one path are neighbours. */
export function kindOf(path: number, type: PostingType): number {
  return path * POSTING_TYPES + type;
}

/** One of {@link POSTING}. */
export type PostingType = typeof POSTING[keyof typeof POSTING];

/** Path, type, value. */
export type Posting = readonly [path: string, type: PostingType, value: string | number];

/** Longer strings are indexed by how they begin, in UTF-16 units. */
export const MAX_STRING_LENGTH = 200;

/** A document with more postings than this is partial. It bounds what one change costs. */
const MAX_POSTINGS = 2000;

/** Longer paths are not indexed: nobody asks for them, and SQLite keeps each path once. */
const MAX_PATH_LENGTH = 1000;

/** What of a document is indexed; breadth first, so that what is partial still has its outer fields. */
export function postingsOf(document: JsonObject): Posting[] {
  const walk = new Walk();
  walk.fields("", document);
  walk.run();
  return walk.postings;
}

class Walk {
  readonly postings: Posting[] = [];
  readonly #open: { path: string; value: JsonObject | Json[] }[] = [];
  #isPartial = false;
  #isNested = false;

  run(): void {
    for (let next = 0; next < this.#open.length; next++) {
      const open = this.#open[next];
      if (open === undefined || this.#isPartial) break;
      if (Array.isArray(open.value)) this.#elements(open.path, open.value);
      else this.fields(open.path, open.value);
    }
    if (this.#isNested) this.postings.push(["", POSTING.nested, 0]);
    if (this.#isPartial) this.postings.push(["", POSTING.partial, 0]);
  }

  fields(path: string, object: JsonObject): void {
    for (const [name, value] of Object.entries(object)) {
      // No path leads to such a name.
      if (name.includes(".")) continue;
      const inner = path === "" ? name : `${path}.${name}`;
      if (name === "" || inner.length > MAX_PATH_LENGTH || !isPlain(inner)) {
        this.#isPartial = true;
        continue;
      }
      if (Array.isArray(value)) {
        this.#add(inner, POSTING.array, value.length);
        this.#open.push({ path: inner, value });
      } else this.#value(inner, value);
    }
  }

  #elements(path: string, array: Json[]): void {
    for (const element of array) {
      // Elements of an array within an array are reached by index alone.
      if (Array.isArray(element)) this.#isNested = true;
      else this.#value(path, element);
      if (this.#isPartial) return;
    }
  }

  #value(path: string, value: Exclude<Json, Json[]>): void {
    switch (typeof value) {
      case "number":
        return this.#add(path, POSTING.number, value);
      case "boolean":
        return this.#add(path, POSTING.bool, Number(value));
      case "string":
        if (!isPlain(value)) this.#isPartial = true;
        else if (value.length <= MAX_STRING_LENGTH) this.#add(path, POSTING.string, value);
        else this.#add(path, POSTING.longString, beginningOf(value));
        return;
    }
    if (value === null) return this.#add(path, POSTING.null, 0);
    this.#add(path, POSTING.object, 0);
    this.#open.push({ path, value });
  }

  #add(path: string, type: PostingType, value: string | number): void {
    if (this.postings.length >= MAX_POSTINGS) this.#isPartial = true;
    else this.postings.push([path, type, value]);
  }
}

/** Whether SQLite keeps a string as it is: lone surrogates have no UTF-8, and a NUL ends some texts. */
export function isPlain(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** How a long string begins: never half of a surrogate pair. */
export function beginningOf(text: string): string {
  return cut(text, MAX_STRING_LENGTH);
}

/** What every long string from `text` on begins with, or with something greater: theirs may be one unit shorter. */
export function lowestBeginning(text: string): string {
  return cut(text, MAX_STRING_LENGTH - 1);
}

function cut(text: string, length: number): string {
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? length - 1 : length);
}
