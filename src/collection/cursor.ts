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

/** A longer cursor would fit neither into a URL nor into a header. */
const MAX_CURSOR_LENGTH = 4096;

/** The cursor as text that is safe in a URL and in a header. Where the keys are too long for that, they are left out. */
export function encodeCursor({ id, sort, keys }: Cursor): string {
  const whole = encode([id, sort, keys.map(wrap)]);
  return whole.length > MAX_CURSOR_LENGTH ? encode([id, sort, null]) : whole;
}

function encode(json: unknown): string {
  const bytes = new TextEncoder().encode(JSON.stringify(json));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/**
 * Reads a cursor.
 *
 * @param keysOf what the document with this id is sorted by now; for cursors that do not say it themselves
 * @throws {ServiceError} `invalid_request` if it is not one of ours, or was made for another sort
 */
export function decodeCursor(
  text: string,
  sort: Sort | undefined,
  keysOf: (id: string) => SortValues | undefined,
): Cursor {
  const parsed = parse(text);
  if (parsed === undefined) throw refused("is not a cursor that an answer gave.");
  const keys = parsed.keys ?? keysOf(parsed.id);
  if (keys === undefined) throw refused("stands behind a document that is not here, or not any more.");
  const cursor = { ...parsed, keys };
  if (cursor.sort !== (sort?.text ?? "")) {
    throw refused(`belongs to ${cursor.sort === "" ? "the default order" : `sort=${cursor.sort}`}.`);
  }
  return cursor;
}

function parse(text: string): (Omit<Cursor, "keys"> & { keys?: SortValues }) | undefined {
  try {
    const json: unknown = JSON.parse(
      new TextDecoder("utf-8", { fatal: true }).decode(
        Uint8Array.fromBase64(text, { alphabet: "base64url" }),
      ),
    );
    if (!Array.isArray(json) || json.length !== 3) return undefined;
    const [id, sort, keys] = json;
    if (typeof id !== "string" || typeof sort !== "string") return undefined;
    if (keys === null) return { id, sort };
    if (!isListOfLists(keys)) return undefined;
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
