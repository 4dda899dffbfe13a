/**
 * Cursors of a federated search: `<place>` or `<place>.<absent>`.
 *
 * The place is a cursor of an Assets DB: the values that the last document given is sorted by, and its id. Every source
 * finds its own position by it, so one place stands for all, however many sources there are.
 *
 * A source that failed in one page or was not asked is absent from the pages that follow: its documents before the place are
 * not known, so what it gave behind it would be a part that looks like the whole. The cursor names it by four bytes of a
 * digest, 500 of them in 2.7 kB.
 */
import { createHash } from "node:crypto";
import { type Cursor, decodeCursor, encodeCursor } from "../collection/cursor.ts";
import type { Sort } from "../collection/sort.ts";
import { ServiceError } from "../errors.ts";

/** Where a page of a search begins. */
export interface FederationCursor {
  /** The position of the last document given. */
  position: Cursor;
  /** The same as the sources read it. */
  place: string;
  /** Whether the entry whose document has this id is absent from the search. */
  isAbsent: (id: string) => boolean;
}

/** How many bytes name a source: of 500, two share a name once in 34,000 searches. */
const NAME_BYTES = 4;

/**
 * The cursor as text that is safe in a URL and in a header.
 *
 * @param position of the last document given
 * @param absent the ids of the documents of the entries that are to be left out from now on
 * @throws {ServiceError} `invalid_request` if the values that the document is sorted by are too long for a cursor
 */
export function encodeFederationCursor(
  position: Omit<Cursor, "sort">,
  sort: Sort | undefined,
  absent: string[],
): string {
  const place = placeOf(position, sort);
  if (absent.length === 0) return place;
  const names = new Uint8Array(absent.length * NAME_BYTES);
  for (const [n, id] of absent.entries()) names.set(nameOf(id), n * NAME_BYTES);
  return `${place}.${names.toBase64({ alphabet: "base64url", omitPadding: true })}`;
}

function placeOf(position: Omit<Cursor, "sort">, sort: Sort | undefined): string {
  const place = encodeCursor({ ...position, sort: sort?.text ?? "" });
  // Keys that are too long are left out, for the Assets DB that has the document knows them. The others do not.
  let isWhole = true;
  decodeCursor(place, sort, () => {
    isWhole = false;
    return [];
  });
  if (isWhole) return place;
  throw new ServiceError(
    "invalid_request",
    "The values to sort by are too long for a cursor; sort by another field, or leave out the limit.",
    { details: [{ path: "sort", message: "names a field whose values are too long for a cursor" }] },
  );
}

/**
 * Reads a cursor.
 *
 * @throws {ServiceError} `invalid_request` if it is not one of ours, or was made for another sort
 */
export function decodeFederationCursor(text: string, sort: Sort | undefined): FederationCursor {
  const [place = "", names = "", ...more] = text.split(".");
  // One that leaves out what its document is sorted by, because that is very long, is of no use to the other sources.
  const position = decodeCursor(place, sort, () => undefined);
  const absent = readNames(names);
  if (absent === undefined || more.length > 0) {
    const message = "is not a cursor that an answer gave.";
    throw new ServiceError("invalid_request", `The cursor ${message}`, {
      details: [{ path: "cursor", message }],
    });
  }
  return { position, place, isAbsent: (id) => absent.has(nameOf(id).toHex()) };
}

function readNames(text: string): Set<string> | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    if (bytes.length % NAME_BYTES !== 0) return undefined;
    const names = new Set<string>();
    for (let at = 0; at < bytes.length; at += NAME_BYTES) names.add(bytes.slice(at, at + NAME_BYTES).toHex());
    return names;
  } catch {
    return undefined;
  }
}

function nameOf(id: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(id).digest().subarray(0, NAME_BYTES));
}
