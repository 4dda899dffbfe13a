/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/**
 * The thread that runs long queries: a slice of each in turn, so that a short one does not wait for a long one.
 *
 * Orders and answers are those of `query_thread.ts`. A query whose matches nobody has asked for yet waits, without its time
 * running.
 */
import { setImmediate } from "node:timers/promises";
import { compileFilter } from "../filter.ts";
import { compileSort } from "../sort.ts";
import { IndexReader } from "./index_reader.ts";
import type { QueryAnswer, QueryOrder, ThreadQuery } from "./query_thread.ts";
import { openForReading } from "./schema.ts";
import { type Found, Search, type Step } from "./search.ts";

/** How long one query works before another has its turn, in milliseconds. */
const SLICE_MS = 20;

/** Matches are sent in chunks of about this many characters. */
const CHUNK_TEXT = 128 * 1024;

class Task {
  readonly n: number;
  readonly #search: Search;
  readonly #steps: Generator<Step, number | void>;
  readonly #timeoutMs: number;
  #workedMs = 0;
  #found: Found[] = [];
  #foundText = 0;
  /** How many chunks are asked for. */
  credit = 1;

  constructor(n: number, query: ThreadQuery, index: IndexReader) {
    this.n = n;
    this.#timeoutMs = query.timeoutMs;
    const { filter, sort, bases, want, ...rest } = query;
    this.#search = new Search(index, {
      ...rest,
      filter: compileFilter(filter),
      sort: sort === undefined ? undefined : compileSort(sort),
      bases: new Map(bases),
    });
    this.#steps = want === "count" ? this.#search.count() : this.#search.run();
  }

  /** Works for a while. Returns whether there is more to do. */
  work(): boolean {
    const startedAt = performance.now();
    for (;;) {
      const step = this.#steps.next();
      const now = performance.now();
      if (step.done) {
        this.#workedMs += now - startedAt;
        this.#send();
        say({ kind: "done", n: this.n, count: step.value ?? 0, explanation: this.#search.explain() });
        return false;
      }
      if (step.value !== "long") this.#take(step.value);
      const spent = now - startedAt;
      if (this.#workedMs + spent > this.#timeoutMs) {
        const message = `The query took longer than ${this.#timeoutMs / 1000} s (--query-timeout).`;
        say({ kind: "failed", n: this.n, code: "timeout", message });
        return false;
      }
      if (this.credit > 0 && spent < SLICE_MS) continue;
      this.#workedMs += spent;
      // What was found so far is worth sending: whoever waits may want no more.
      if (this.credit > 0) this.#send();
      return true;
    }
  }

  #take(found: Found[]): void {
    this.#found.push(...found);
    for (const { text } of found) this.#foundText += text.length;
    if (this.#foundText >= CHUNK_TEXT) this.#send();
  }

  #send(): void {
    if (this.#found.length === 0) return;
    say({ kind: "found", n: this.n, found: this.#found });
    this.credit--;
    this.#found = [];
    this.#foundText = 0;
  }
}

const tasks = new Map<number, Task>();
let index: IndexReader | undefined;
let isWorking = false;
/** The query that was last said to be worked on. */
let saidAt = 0;

self.onmessage = ({ data }: MessageEvent<QueryOrder>) => {
  if (data.kind === "open") {
    index = new IndexReader(openForReading(data.path));
    return;
  }
  if (data.kind === "ping") return say({ kind: "at", n: saidAt });
  if (data.kind === "stop") return void tasks.delete(data.n);
  if (data.kind === "run") begin(data.n, data.query);
  const task = tasks.get(data.n);
  if (task && data.kind === "more") task.credit++;
  if (!isWorking) void workOff();
};

function begin(n: number, query: ThreadQuery): void {
  sayAt(n);
  try {
    if (!index) throw new Error("The view is not open");
    tasks.set(n, new Task(n, query, index));
  } catch (error) {
    fail(n, error);
  }
}

async function workOff(): Promise<void> {
  isWorking = true;
  for (;;) {
    const ready = [...tasks.values()].filter(({ credit }) => credit > 0);
    if (ready.length === 0) break;
    for (const task of ready) {
      sayAt(task.n);
      if (!workOn(task)) tasks.delete(task.n);
      // Orders come in between.
      await setImmediate();
    }
  }
  isWorking = false;
}

function workOn(task: Task): boolean {
  try {
    return task.work();
  } catch (error) {
    fail(task.n, error);
    return false;
  }
}

/** Should the thread hang, it is known where. */
function sayAt(n: number): void {
  if (n !== saidAt) say({ kind: "at", n });
  saidAt = n;
}

function fail(n: number, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  say({ kind: "failed", n, code: "internal", message });
}

function say(answer: QueryAnswer): void {
  self.postMessage(answer);
}
