/** Opaque cursors: the place in an order behind which the next page begins. */
import { ServiceError } from "../errors.ts";
import type { SortValues } from "./order.ts";
import type { Sort } from "./sort.ts";

/** The place of one document in an order: the values it is sorted by, then its id. */
export interface Cursor {
  id: string;
  /** The text of the sort that the keys belong to; "" for the default order. */
  sort: string;
  keys: SortValues;
}

/** The cursor as text that is safe in a URL and in a header. */
export function encodeCursor({ id, sort, keys }: Cursor): string {
  const bytes = new TextEncoder().encode(JSON.stringify([id, sort, keys.map(wrap)]));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/**
 * Reads a cursor.
 *
 * @throws {ServiceError} `invalid_request` if it is not one of ours, or was made for another sort
 */
export function decodeCursor(text: string, sort: Sort | undefined): Cursor {
  const cursor = parse(text);
  if (cursor === undefined) throw refused("is not a cursor that an answer gave.");
  if (cursor.sort !== (sort?.text ?? "")) {
    throw refused(`belongs to ${cursor.sort === "" ? "the default order" : `sort=${cursor.sort}`}.`);
  }
  return cursor;
}

function parse(text: string): Cursor | undefined {
  try {
    const json: unknown = JSON.parse(
      new TextDecoder("utf-8", { fatal: true }).decode(
        Uint8Array.fromBase64(text, { alphabet: "base64url" }),
      ),
    );
    if (!Array.isArray(json) || json.length !== 3) return undefined;
    const [id, sort, keys] = json;
    if (typeof id !== "string" || typeof sort !== "string" || !isListOfLists(keys)) return undefined;
    return { id, sort, keys: keys.map(([key]) => key) };
  } catch {
    return undefined;
  }
}

/** JSON has no `undefined`, which is a sort value (an empty array's): each is wrapped, that one as nothing. */
function wrap(key: SortValues[number]): SortValues {
  return key === undefined ? [] : [key];
}

function isListOfLists(value: unknown): value is SortValues[] {
  return Array.isArray(value) && value.every(Array.isArray);
}

function refused(what: string): ServiceError {
  return new ServiceError("invalid_request", `The cursor ${what}`, {
    details: [{ path: "cursor", message: what }],
  });
}
