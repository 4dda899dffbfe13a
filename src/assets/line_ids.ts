/**
 * The ids of assets that a bulk creation with an `Idempotency-Key` makes: the same for the same line of the same request. So
 * the request can be repeated without a record of each of its lines.
 */
import { createHash } from "node:crypto";
import { v7 as uuidV7 } from "uuid";
import { beginOnce, type Once } from "../collection/idempotency.ts";

/**
 * So many lines have ids of one millisecond: about as many as are stored in one. The index keeps documents in the order of their
 * ids, and has to move those of one millisecond on where they do not arrive in it.
 */
const LINES_PER_MS = 16;

/** The ids of one request and its repetitions. */
export class LineIds {
  readonly #begunAt: number;
  readonly #secret: string;

  private constructor(begunAt: number, secret: string) {
    this.#begunAt = begunAt;
    this.#secret = secret;
  }

  /**
   * Those of the request with this key.
   *
   * @throws {ServiceError} `invalid_request` if it was used for another request
   */
  static async begin(kv: Deno.Kv, once: Once): Promise<LineIds> {
    const begun = await beginOnce(kv, once, { begun_at: Date.now(), secret: crypto.randomUUID() });
    return new LineIds(Number(begun.begun_at), String(begun.secret));
  }

  /** The id of a line: of its number, which keeps the order, and of what is in it. */
  of(number: number, bytes: Uint8Array): string {
    const random = createHash("sha256").update(`${this.#secret} ${number} `).update(bytes).digest();
    return uuidV7({ msecs: this.#begunAt + Math.floor(number / LINES_PER_MS), seq: number, random });
  }
}
