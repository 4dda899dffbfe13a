/**
 * The main thread's end of the thread that runs long queries (`query_worker.ts`): orders, answers, and what happens when one of
 * them hangs.
 */
import { ServiceError } from "../../errors.ts";
import type { Cursor } from "../cursor.ts";
import type { JsonObject } from "../json.ts";
import type { Explanation, Found } from "./search.ts";

/** A query as it goes to the thread. */
export interface ThreadQuery {
  filter: JsonObject;
  sort?: string;
  limit: number;
  cursor?: Cursor;
  bases: [server: string, url: string][];
  liveField?: string;
  /** How long it may work, in milliseconds. */
  timeoutMs: number;
  want: "matches" | "count";
}

/** What the thread can be told. `more` asks for the next matches of a query, `ping` for a word. */
export type QueryOrder =
  | { kind: "open"; path: string }
  | { kind: "ping" }
  | { kind: "run"; n: number; query: ThreadQuery }
  | { kind: "more" | "stop"; n: number };

/** What it answers. `at` says which query it is about to work on. */
export type QueryAnswer =
  | { kind: "at"; n: number }
  | { kind: "found"; n: number; found: Found[] }
  | { kind: "done"; n: number; count: number; explanation: Explanation }
  | { kind: "failed"; n: number; code: "timeout" | "internal"; message: string };

/** A thread that does not answer for this long hangs in one document. */
const HANG_MS = 10_000;

/**
 * So often it is asked in that time. Who has not asked so often has not been running itself, and has not heard what was said: a
 * process that got no processor, or was stopped.
 */
const LOOKS = 4;

/** A thread that starts has this long for its first word: it loads its modules, on a busy machine. */
const START_MS = 60_000;

/** So many answers may be under way to a reader that is slower than the search. */
const AHEAD = 2;

/** A query that runs on the thread. */
interface Running {
  /** undefined at the end. */
  chunks: (Found[] | undefined)[];
  failure: unknown;
  end: { count: number; explanation: Explanation } | undefined;
  wake: PromiseWithResolvers<void>;
}

/** What became of a query on the thread. */
export interface ThreadResult {
  count: number;
  explanation: Explanation;
}

/** A query whose thread was ended because another query hung: it can be run again. */
export class ThreadReplaced extends Error {
  override readonly name = "ThreadReplaced";
}

/** One thread for the long queries on one view. It starts when it is first needed. */
export class QueryThread {
  readonly #path: string;
  readonly #hangMs: number;
  #worker: Worker | undefined;
  readonly #running = new Map<number, Running>();
  #next = 1;
  /** The query that the thread is working on. */
  #at = 0;
  #heardAt = 0;
  /** How often it was looked after since then. */
  #looks = 0;
  #hasSpoken = false;
  #watchdog: ReturnType<typeof setInterval> | undefined;

  /**
   * @param path the view's file
   * @param hangMs after how long without a word the thread is ended
   */
  constructor(path: string, hangMs = HANG_MS) {
    this.#path = path;
    this.#hangMs = hangMs;
  }

  /** How many queries run here. */
  get load(): number {
    return this.#running.size;
  }

  /**
   * Runs a query; gives its matches as they are found.
   *
   * @param signal ends the query, whether it has found something or not; its reason is thrown
   * @throws {ServiceError} `timeout`
   * @throws {ThreadReplaced} if the thread had to be ended for another query
   */
  async *run(query: ThreadQuery, signal?: AbortSignal): AsyncGenerator<Found[], ThreadResult> {
    signal?.throwIfAborted();
    const n = this.#next++;
    const running: Running = {
      chunks: [],
      failure: undefined,
      end: undefined,
      wake: Promise.withResolvers(),
    };
    this.#running.set(n, running);
    const onAbort = () => this.#fail(n, signal?.reason);
    signal?.addEventListener("abort", onAbort);
    this.#tell({ kind: "run", n, query });
    for (let ahead = 1; ahead < AHEAD; ahead++) this.#tell({ kind: "more", n });
    try {
      for (;;) {
        while (running.chunks.length > 0) {
          const found = running.chunks.shift();
          if (!found) continue;
          yield found;
          this.#tell({ kind: "more", n });
        }
        if (running.failure !== undefined) throw running.failure;
        if (running.end) return running.end;
        await running.wake.promise;
        running.wake = Promise.withResolvers();
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#running.delete(n);
      if (!running.end) this.#tell({ kind: "stop", n });
    }
  }

  /** Ends the thread. Queries that run fail. */
  close(): void {
    this.#end(new ServiceError("unavailable", "The query was ended, because the server is stopping."));
  }

  /** Ends the thread; the next query starts a new one, on the file that is there then. */
  restart(): void {
    this.#end(new ThreadReplaced());
  }

  #end(reason: unknown): void {
    clearInterval(this.#watchdog);
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const n of this.#running.keys()) this.#fail(n, reason);
  }

  #start(): Worker {
    const worker = new Worker(import.meta.resolve("./query_worker.ts"), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<QueryAnswer>) => this.#hear(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#end(new Error(`The query thread failed: ${event.message}`));
    };
    const open: QueryOrder = { kind: "open", path: this.#path };
    worker.postMessage(open);
    this.#heardAt = performance.now();
    this.#looks = 0;
    this.#hasSpoken = false;
    this.#watchdog = setInterval(() => this.#watch(), this.#hangMs / LOOKS);
    Deno.unrefTimer(this.#watchdog);
    return worker;
  }

  #tell(order: QueryOrder): void {
    if (order.kind === "run") this.#worker ??= this.#start();
    // An order about a query of a thread that is gone is for nobody.
    this.#worker?.postMessage(order);
  }

  #hear(answer: QueryAnswer): void {
    this.#heardAt = performance.now();
    this.#looks = 0;
    this.#hasSpoken = true;
    if (answer.kind === "at") this.#at = answer.n;
    const running = this.#running.get(answer.n);
    if (!running) return;
    switch (answer.kind) {
      case "at":
        return;
      case "found":
        running.chunks.push(answer.found);
        break;
      case "done":
        running.end = answer;
        break;
      case "failed":
        return this.#fail(answer.n, new ServiceError(answer.code, answer.message));
    }
    running.wake.resolve();
  }

  #fail(n: number, reason: unknown): void {
    const running = this.#running.get(n);
    if (!running) return;
    running.failure = reason;
    running.wake.resolve();
  }

  /** Ends a thread that hangs: the query it is at fails, the others can be run again. */
  #watch(): void {
    const silentMs = performance.now() - this.#heardAt;
    this.#looks++;
    const isSilent = silentMs >= (this.#hasSpoken ? this.#hangMs : START_MS) && this.#looks >= LOOKS;
    if (!isSilent) return this.#tell({ kind: "ping" });
    const message = `The query took longer than ${this.#hangMs / 1000} s on a single document.`;
    this.#fail(this.#at, new ServiceError("timeout", message));
    this.#running.delete(this.#at);
    this.restart();
  }
}
