/**
 * Numbers for documents that rise as their ids do, so that the index lists documents oldest first.
 *
 * An id is a UUIDv7 (RFC 9562 §5.7), which begins with milliseconds. A number begins with them as well and leaves room for
 * 4,096 documents in each; where ids arrive out of order, from nodes that share a KV, those behind may have to move on.
 */

/** Milliseconds since the epoch at the beginning of 2020: with it, the numbers up to the year 2089 are exact in a double. */
const EPOCH_MS = 1_577_836_800_000;

/** Numbers for each millisecond. */
const ROOM = 4096;

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The first number of an id's millisecond; 0 for an id that is no UUIDv7. */
export function firstOrdOf(id: string): number {
  if (!UUID_V7.test(id)) return 0;
  const ms = parseInt(id.slice(0, 8) + id.slice(9, 13), 16) - EPOCH_MS;
  return ms > 0 && ms < 2 ** 41 ? ms * ROOM : 0;
}

/** The numbers beside the place of a new document; undefined where there is none. */
export interface Neighbours {
  before: number | undefined;
  behind: number | undefined;
}

/** A number between the neighbours; undefined if there is no room. */
export function ordBetween(id: string, { before, behind }: Neighbours): number | undefined {
  const least = before === undefined ? 1 : before + 1;
  const wished = Math.max(firstOrdOf(id), least);
  if (behind === undefined || wished < behind) return wished;
  // Near the one before: those that still come are more likely to be younger.
  return least < behind ? least : undefined;
}
