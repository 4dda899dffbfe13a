/**
 * SHA-256 of uploads on their way, in memory, copied at each checkpoint, for as long as one process sees every byte. Node's
 * hash cannot be kept outside the process, and one that can be (in WebAssembly) is six times slower; so after a restart or on
 * another node the finished object is read once before it becomes an asset.
 */
import { createHash, type Hash } from "node:crypto";

/** How many checksums on their way are kept; the oldest go, and their files are read once more at the end. */
const MAX_RUNNING_DIGESTS = 1000;

/** A digest of the first `offset` bytes of an upload. */
interface RunningDigest {
  offset: number;
  hash: Hash;
}

/** The digests of the uploads of one process. */
export class RunningDigests {
  readonly #digests = new Map<string, RunningDigest>();

  /** A digest of what the upload has so far, to be updated; `undefined` unless this process has seen all of it. */
  at(id: string, offset: number): Hash | undefined {
    if (offset === 0) return createHash("sha256");
    const running = this.#digests.get(id);
    return running?.offset === offset ? running.hash.copy() : undefined;
  }

  /** Keeps a copy of a digest of the first `offset` bytes. */
  keep(id: string, offset: number, hash: Hash): void {
    this.#digests.delete(id);
    this.#digests.set(id, { offset, hash: hash.copy() });
    const [oldest] = this.#digests.keys();
    if (oldest !== undefined && this.#digests.size > MAX_RUNNING_DIGESTS) this.#digests.delete(oldest);
  }

  /** Forgets an upload that is over. */
  forget(id: string): void {
    this.#digests.delete(id);
  }
}
