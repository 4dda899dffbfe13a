/** What is thrown when a KV across the network does not answer: 503 `unavailable`, with `details` that say what became of a write. */
import { ServiceError } from "../errors.ts";

/** The KV is away and nothing was changed: it was only to be read, or the write was never sent. */
export function kvAway(cause?: unknown): ServiceError {
  return new ServiceError(
    "unavailable",
    "The database is away; nothing was changed. Try again.",
    { details: { may_have_happened: false }, cause },
  );
}

/**
 * A commit was sent and its answer did not come: it may have happened. Soon after the KV is back it either has or never
 * will (`remote_kv.ts`), and a repetition with the same `Idempotency-Key` finds out.
 */
export class CommitUnknown extends ServiceError {
  constructor(cause?: unknown) {
    super(
      "unavailable",
      "The database went away before it answered; the change may have happened. " +
        "Repeat it with the same Idempotency-Key to find out.",
      { details: { may_have_happened: true, repeat_with: "Idempotency-Key" }, cause },
    );
  }
}
