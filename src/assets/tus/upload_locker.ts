/**
 * One request at a time on an upload: a new one asks the one before it to let go, and waits its turn. A client that lost its
 * connection so gets through while the server still waits for bytes on the old one (tus 1.0.0, "Core protocol").
 */
import type { Lock, Locker, RequestRelease } from "@tus/server";
import { ServiceError } from "../../errors.ts";

/** How long a request waits for the one before it. */
const DEFAULT_WAIT_MS = 30_000;

/** Who holds an upload, and when that ends. */
interface Holder {
  requestRelease: RequestRelease;
  released: Promise<void>;
  release: () => void;
}

/** The locks of one process. Nodes that share a KV are kept apart by the versionstamps of the records. */
export class UploadLocker implements Locker {
  readonly #holders = new Map<string, Holder>();
  readonly #waitMs: number;

  constructor(options: { waitMs?: number } = {}) {
    this.#waitMs = options.waitMs ?? DEFAULT_WAIT_MS;
  }

  /** A lock on this upload, not yet held. `lock` throws `locked` if its turn does not come in time. */
  newLock(id: string): Lock {
    let own: Holder | undefined;
    return {
      lock: async (signal, requestRelease) => {
        const deadline = Date.now() + this.#waitMs;
        for (let holder = this.#holders.get(id); holder; holder = this.#holders.get(id)) {
          await holder.requestRelease();
          await released(holder, deadline - Date.now(), signal);
        }
        const { promise, resolve } = Promise.withResolvers<void>();
        own = { requestRelease, released: promise, release: resolve };
        this.#holders.set(id, own);
      },
      unlock: () => {
        if (own && this.#holders.get(id) === own) this.#holders.delete(id);
        own?.release();
        return Promise.resolve();
      },
    };
  }
}

async function released(holder: Holder, waitMs: number, signal: AbortSignal): Promise<void> {
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(new ServiceError("locked", "Another request is working on this upload."));
  const timer = setTimeout(giveUp, Math.max(0, waitMs));
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    await Promise.race([holder.released, givenUp]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}
