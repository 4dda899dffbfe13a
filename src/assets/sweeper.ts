/** Clears what crashes left: at start, then every few minutes. */
import { getLogger } from "@logtape/logtape";
import type { ObjectStore } from "../objects/object_store.ts";
import type { Journal } from "./journal.ts";
import type { ResumableUploads } from "./tus/resumable_uploads.ts";

const log = getLogger(["assets-server", "sweeper"]);

const INTERVAL_MS = 5 * 60_000;

/** A sweeper that runs in the background. */
export interface Sweeper {
  /** Ends it; resolves when a sweep that was under way has stopped. */
  stop(): Promise<void>;
}

/** Starts to clear what the journal names and what has expired. A failure is logged; the next round tries again. */
export function startSweeper(journal: Journal, store: ObjectStore, uploads: ResumableUploads): Sweeper {
  const abort = new AbortController();
  const sweep = async () => {
    try {
      const cleared = await journal.sweep(store, { signal: abort.signal });
      if (cleared > 0) log.info("Cleared what {cleared} unfinished writes had left", { cleared });
      const expired = await uploads.sweep({ signal: abort.signal });
      if (expired > 0) log.info("Cleared {expired} expired uploads", { expired });
    } catch (error) {
      if (!abort.signal.aborted) log.warn("Sweeping failed: {error}", { error });
    }
  };
  let running = sweep();
  const timer = setInterval(() => {
    running = running.then(sweep);
  }, INTERVAL_MS);
  return {
    async stop() {
      clearInterval(timer);
      abort.abort();
      await running;
    },
  };
}
