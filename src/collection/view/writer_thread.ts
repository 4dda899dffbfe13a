/** The main thread's end of the thread that writes a view (`writer_worker.ts`). */
import type { ViewState } from "./schema.ts";
import type { Reached, ViewChange } from "./view_writer.ts";

/** What the writer can be told. */
export type WriterOrder =
  | { kind: "open"; path: string; isTrusted: boolean }
  | { kind: "state" }
  | { kind: "clear"; identity: string }
  | { kind: "apply"; changes: ViewChange[]; reached?: Reached }
  | { kind: "close" };

/** What it answers. */
export type WriterAnswer = { state?: ViewState } | { error: string; isDamaged: boolean };

/** The view could not be written. */
export class ViewError extends Error {
  override readonly name = "ViewError";
  /** The file is damaged: only a new one helps. */
  readonly isDamaged: boolean;

  constructor(message: string, isDamaged: boolean) {
    super(`The index could not be written: ${message}`);
    this.isDamaged = isDamaged;
  }
}

/** A thread with the only writer of one view. Each method may throw `ViewError`. */
export class WriterThread {
  readonly #worker = new Worker(import.meta.resolve("./writer_worker.ts"), { type: "module" });
  readonly #waiting: PromiseWithResolvers<WriterAnswer>[] = [];

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<WriterAnswer>) => this.#waiting.shift()?.resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      for (const { resolve } of this.#waiting.splice(0)) resolve({ error: event.message, isDamaged: false });
    };
  }

  /**
   * Opens the view, or makes a new one.
   *
   * @param isTrusted the file was closed well, or the machine has not been restarted since
   */
  async open(path: string, isTrusted: boolean): Promise<void> {
    await this.#tell({ kind: "open", path, isTrusted });
  }

  /** What the view knows of itself. */
  async state(): Promise<ViewState> {
    const { state } = await this.#tell({ kind: "state" });
    if (!state) throw new ViewError("the thread did not say how the view is", false);
    return state;
  }

  /** Takes everything out; the view is then of the KV `identity`. */
  async clear(identity: string): Promise<void> {
    await this.#tell({ kind: "clear", identity });
  }

  /** Applies changes, and says how far the log is applied then. */
  async apply(changes: ViewChange[], reached?: Reached): Promise<void> {
    await this.#tell({ kind: "apply", changes, reached });
  }

  /** Closes the file and ends the thread. */
  async close(): Promise<void> {
    try {
      await this.#tell({ kind: "close" });
    } finally {
      this.#worker.terminate();
    }
  }

  async #tell(order: WriterOrder): Promise<{ state?: ViewState }> {
    const waiting = Promise.withResolvers<WriterAnswer>();
    this.#waiting.push(waiting);
    this.#worker.postMessage(order);
    const answer = await waiting.promise;
    if ("error" in answer) throw new ViewError(answer.error, answer.isDamaged);
    return answer;
  }
}
