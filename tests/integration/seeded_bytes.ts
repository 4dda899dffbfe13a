/** Large contents that nobody has to keep: every byte follows from a seed and its place. */
import { createHash } from "node:crypto";

const BLOCK_BYTES = 256 * 1024;

/** Bytes `start` to `start + length` of the content of that seed. */
export function seededBytes(seed: number, start: number, length: number): Uint8Array<ArrayBuffer> {
  const firstWord = Math.floor(start / 4);
  const words = new Uint32Array(Math.ceil((start + length) / 4) - firstWord);
  const salt = Math.imul(seed, 0x9e3779b1);
  for (let n = 0; n < words.length; n++) {
    // Two rounds of a multiplicative hash: neighbours, and the same place under two seeds, have nothing in common.
    const word = Math.imul((firstWord + n) ^ salt, 0x85ebca6b);
    words[n] = Math.imul(word ^ (word >>> 15), 0xc2b2ae35) ^ salt;
  }
  return new Uint8Array(words.buffer, start - firstWord * 4, length);
}

/** The content of that seed and size in blocks, each made when it is asked for. */
export function* seededBlocks(seed: number, sizeBytes: number): Generator<Uint8Array<ArrayBuffer>> {
  for (let start = 0; start < sizeBytes; start += BLOCK_BYTES) {
    yield seededBytes(seed, start, Math.min(BLOCK_BYTES, sizeBytes - start));
  }
}

/** SHA-256 of whatever comes, in hex. */
export async function sha256Of(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}
