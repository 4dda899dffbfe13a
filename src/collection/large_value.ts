/**
 * JSON documents of any size in Deno KV, whose values end at 64 KiB.
 *
 * A small document is one value: its JSON text as UTF-8. A large one is a list of pieces under keys of their own, written in
 * the same commit, so that all of them carry one versionstamp; that is how a reader knows it holds pieces of one writing.
 */
import type { Json } from "./json.ts";

/** The most bytes in one value: Deno KV refuses more than 65,536 with its own framing included. */
const PIECE_BYTES = 60 * 1024;

/** Deno KV's limit of keys in one `getMany`. */
export const MAX_KEYS_PER_READ = 10;

/** What stands at the key of a large document, in place of its text. */
interface PieceList {
  pieces: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A document as it was read: its JSON text, and the versionstamp of the commit that wrote it. */
export interface LargeValue {
  text: string;
  versionstamp: string;
  /** How many pieces it has beside its own key; 0 for a small one. */
  pieces: number;
}

/** Where a document stands: its own key and the prefix its pieces are numbered under. */
export interface LargeKey {
  key: Deno.KvKey;
  piecePrefix: Deno.KvKey;
}

/** The bytes of `value` as JSON in UTF-8. */
export function jsonBytes(value: Json): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify(value));
}

/** How many pieces a document of these bytes has beside its own key. */
export function piecesOf({ length }: Uint8Array): number {
  return length <= PIECE_BYTES ? 0 : Math.ceil(length / PIECE_BYTES);
}

/**
 * Adds the writing of a document to a commit, and the removal of the pieces of the document it replaces that it has no use for.
 *
 * @param options.previousPieces how many pieces the document now stored has (`LargeValue.pieces`)
 * @returns how many pieces this one has
 */
export function setLarge(
  operation: Deno.AtomicOperation,
  at: LargeKey,
  bytes: Uint8Array<ArrayBuffer>,
  options: { previousPieces?: number; expireInMs?: number } = {},
): number {
  const { previousPieces = 0, expireInMs } = options;
  const expiry = expireInMs === undefined ? undefined : { expireIn: expireInMs };
  const pieces = piecesOf(bytes);
  operation.set(at.key, pieces === 0 ? bytes : { pieces } satisfies PieceList, expiry);
  for (let n = 0; n < pieces; n++) {
    operation.set([...at.piecePrefix, n], bytes.slice(n * PIECE_BYTES, (n + 1) * PIECE_BYTES), expiry);
  }
  for (let n = pieces; n < previousPieces; n++) operation.delete([...at.piecePrefix, n]);
  return pieces;
}

/** Adds the removal of a document with `pieces` pieces to a commit. */
export function deleteLarge(operation: Deno.AtomicOperation, at: LargeKey, pieces: number): void {
  operation.delete(at.key);
  for (let n = 0; n < pieces; n++) operation.delete([...at.piecePrefix, n]);
}

/** Reads one document; `undefined` if there is none. */
export async function getLarge(kv: Deno.Kv, at: LargeKey): Promise<LargeValue | undefined> {
  const entry = await kv.get<unknown>(at.key);
  return await completeLarge(kv, at, entry);
}

/** What stands at the key of a document, or one of its pieces, is not what was written there. */
export class DamagedValue extends Error {
  override readonly name = "DamagedValue";
}

/**
 * Makes a document whole, given the entry at its key. Pieces that another writing has replaced meanwhile send it back to the
 * start, so what comes out is always one writing, if perhaps a newer one.
 *
 * @throws {DamagedValue}
 */
export async function completeLarge(
  kv: Deno.Kv,
  at: LargeKey,
  found: Deno.KvEntryMaybe<unknown>,
): Promise<LargeValue | undefined> {
  let triedVersion: string | undefined;
  for (let entry = found;; entry = await kv.get<unknown>(at.key)) {
    const { value, versionstamp } = entry;
    if (versionstamp === null) return undefined;
    if (value instanceof Uint8Array) return { text: decoder.decode(value), versionstamp, pieces: 0 };
    const name = at.key.join("/");
    if (!isPieceList(value)) throw new DamagedValue(`${name} in the KV is not a document`);
    const whole = await readPieces(kv, at, value.pieces, versionstamp);
    if (whole !== undefined) return { text: decoder.decode(whole), versionstamp, pieces: value.pieces };
    // Read twice in one writing: nobody has replaced the pieces, they are not there.
    if (versionstamp === triedVersion) throw new DamagedValue(`${name} in the KV lacks pieces`);
    triedVersion = versionstamp;
  }
}

async function readPieces(
  kv: Deno.Kv,
  at: LargeKey,
  pieces: number,
  versionstamp: string,
): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  for (let first = 0; first < pieces; first += MAX_KEYS_PER_READ) {
    const count = Math.min(MAX_KEYS_PER_READ, pieces - first);
    const keys = Array.from({ length: count }, (_, n) => [...at.piecePrefix, first + n]);
    for (const entry of await kv.getMany<unknown[]>(keys)) {
      if (entry.versionstamp !== versionstamp || !(entry.value instanceof Uint8Array)) return undefined;
      parts.push(entry.value);
    }
  }
  return concatenate(parts);
}

function concatenate(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

function isPieceList(value: unknown): value is PieceList {
  return typeof value === "object" && value !== null && "pieces" in value && typeof value.pieces === "number";
}
