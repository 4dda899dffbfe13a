/**
 * Keeps a view up to date: applies the change log to it, in order, until it has caught up; builds it anew where the log does
 * not reach back.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_REACHES_BACK_MS, type LogEntry } from "../change_log.ts";
import type { StoredText, Truth } from "../truth.ts";
import { ViewFile } from "./view_file.ts";
import type { ViewChange, ViewDocument } from "./view_writer.ts";
import { ViewError, WriterThread } from "./writer_thread.ts";

const log = getLogger(["assets-server", "view"]);

/**
 * How many documents go into one transaction, about: 2,000 take two thirds of the time of four times 500, because more of what
 * they change is in the same pages, and a change that comes in between waits for less than half a second.
 */
const BATCH_DOCUMENTS = 2000;

/** How many log entries are read at once. */
const BATCH_ENTRIES = 500;

/** `kv.watch` wakes the follower; should a connection die without a word, it looks by itself this often. */
const LOOK_EVERY_MS = 5000;

/** Pause before the next try when the KV or the disk failed. */
const RETRY_MS = 1000;

/** How long a change waits to be seen in the view before its answer goes out all the same. */
const WAIT_MS = 1500;

/** What a follower needs. */
export interface FollowerOptions {
  truth: Truth;
  /** The view's file. */
  path: string;
  /** Whether others write to the same KV. */
  isShared: boolean;
  /** What the view keeps of a document. */
  toView: (stored: StoredText) => ViewDocument;
  /** Called when changes have been applied, before anybody is told that they are. */
  onApplied: (changes: readonly ViewChange[]) => void;
  /** Called when the view has been made anew: readers have to open it again. */
  onReplaced: () => void;
}

/** Whether a view can answer. */
export type ViewStatus = { state: "building"; documents: number } | { state: "current" };

/** One view and the thread that writes it. */
export class Follower {
  /** Settles when the view can answer for the first time. Never rejects. */
  readonly ready: Promise<void>;
  readonly #options: FollowerOptions;
  readonly #file: ViewFile;
  readonly #abort = new AbortController();
  readonly #ready = Promise.withResolvers<void>();
  readonly #opened: Promise<WriterThread>;
  #status: ViewStatus = { state: "building", documents: 0 };
  #position = "";
  /** What this node itself committed, so that it need not be read again. */
  readonly #own = new Map<string, ViewChange[]>();
  #waiting: { versionstamp: string; resolve: () => void }[] = [];
  #wake = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  #watcher: ReadableStreamDefaultReader<unknown> | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#file = new ViewFile(options.path);
    this.ready = this.#ready.promise;
    this.#opened = this.#open();
    this.#opened.catch(() => {});
    this.#running = this.#run();
    if (options.isShared) void this.#watch();
  }

  /** Settles when the file is there and can be opened for reading. */
  async opened(): Promise<void> {
    await this.#opened;
  }

  get status(): ViewStatus {
    return this.#status;
  }

  /** Waits until a commit is in the view. `changes` are what it changed; should the view not get there soon, they come later. */
  async through(versionstamp: string, changes: ViewChange[]): Promise<void> {
    if (versionstamp <= this.#position) return;
    this.#own.set(versionstamp, changes);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ versionstamp, resolve });
    this.#wake.resolve();
    const timer = setTimeout(resolve, WAIT_MS);
    await promise;
    clearTimeout(timer);
  }

  /** Ends the thread and closes the file. */
  async close(): Promise<void> {
    this.#abort.abort();
    this.#wake.resolve();
    await this.#watcher?.cancel().catch(() => {});
    await this.#running;
    this.#settle("\uffff");
    try {
      await (await this.#opened).close();
      await this.#file.release();
    } catch (error) {
      log.warn("The index was not closed well; it is checked at the next start: {error}", { error });
    }
  }

  async #open(): Promise<WriterThread> {
    const thread = new WriterThread();
    await thread.open(this.#options.path, await this.#file.take());
    return thread;
  }

  async #run(): Promise<void> {
    let said = "";
    while (!this.#abort.signal.aborted) {
      try {
        await this.#bringUp();
        said = "";
        await this.#follow();
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        // A KV that is away for an hour is worth one line.
        if (said !== String(error)) log.warn("The index is not up to date: {error}", { error });
        said = String(error);
        if (error instanceof ViewError && error.isDamaged) await this.#replace();
        await pause(RETRY_MS, this.#abort.signal);
      }
    }
  }

  /** Builds the view where what is there cannot be brought up to date by the log. */
  async #bringUp(): Promise<void> {
    const thread = await this.#opened;
    const state = await thread.state();
    const identity = await this.#options.truth.log.identity().catch((error) => {
      // While the KV is away, what was known before the start is served.
      if (this.#options.isShared && state.position !== undefined) {
        this.#status = { state: "current" };
        this.#ready.resolve();
      }
      throw error;
    });
    const age = Date.now() - state.currentAt;
    if (state.identity === identity && state.position !== undefined && age < LOG_REACHES_BACK_MS) {
      this.#position = state.position;
      return;
    }
    await this.#rebuild(thread, identity);
  }

  async #rebuild(thread: WriterThread, identity: string): Promise<void> {
    const startedAt = performance.now();
    const { truth, toView } = this.#options;
    let documents = 0;
    this.#status = { state: "building", documents };
    // Whatever changes from here on is in the log behind this.
    const position = await truth.log.end();
    await thread.clear(identity);
    let batch: ViewChange[] = [];
    let writing = Promise.resolve();
    for await (const stored of truth.scan()) {
      this.#abort.signal.throwIfAborted();
      batch.push({ id: stored.id, put: toView(stored) });
      if (batch.length < BATCH_DOCUMENTS) continue;
      documents += batch.length;
      await writing;
      this.#status = { state: "building", documents };
      writing = thread.apply(batch);
      // Whoever awaits it next learns of a failure.
      writing.catch(() => {});
      batch = [];
    }
    await writing;
    documents += batch.length;
    await thread.apply(batch, { position, currentAt: Date.now() });
    this.#position = position;
    // Paths may have other numbers than before.
    this.#options.onReplaced();
    const seconds = (performance.now() - startedAt) / 1000;
    if (documents > 0) {
      log.info("The index was built: {documents} documents in {seconds} s", { documents, seconds });
    }
  }

  /** Applies the log as it grows, until told to end. */
  async #follow(): Promise<void> {
    for (;;) {
      this.#wake = Promise.withResolvers();
      await this.#catchUp();
      this.#status = { state: "current" };
      this.#ready.resolve();
      if (this.#abort.signal.aborted) return;
      const timer = this.#options.isShared
        ? setTimeout(() => this.#wake.resolve(), LOOK_EVERY_MS)
        : undefined;
      await this.#wake.promise;
      clearTimeout(timer);
      if (this.#abort.signal.aborted) return;
    }
  }

  /** While one batch is applied, the next is put together. */
  async #catchUp(): Promise<void> {
    let read = this.#position;
    let applying: Promise<void> | undefined;
    try {
      for (;;) {
        const entries = await this.#options.truth.log.read(read, BATCH_ENTRIES);
        if (entries.length === 0 && !applying) return;
        for (const some of batches(entries)) {
          this.#abort.signal.throwIfAborted();
          const changes = await this.#changesOf(some);
          const from = read;
          read = some.at(-1)?.versionstamp ?? read;
          const before = applying;
          applying = this.#apply(changes, { from, position: read });
          // Whoever awaits it next learns of a failure.
          applying.catch(() => {});
          await before;
        }
        if (entries.length > 0) continue;
        await applying;
        applying = undefined;
      }
    } finally {
      await applying?.catch(() => {});
    }
  }

  async #apply(changes: ViewChange[], step: { from: string; position: string }): Promise<void> {
    const thread = await this.#opened;
    await thread.apply(changes, { ...step, currentAt: Date.now() });
    this.#options.onApplied(changes);
    this.#settle(step.position);
  }

  /** What the documents of some entries are now. */
  async #changesOf(entries: readonly LogEntry[]): Promise<ViewChange[]> {
    const own: ViewChange[] = [];
    const others = new Set<string>();
    for (const { versionstamp, ids } of entries) {
      const changes = this.#own.get(versionstamp);
      if (changes) own.push(...changes);
      else for (const id of ids) others.add(id);
    }
    const { truth, toView } = this.#options;
    const ids = [...others];
    const found = await truth.getMany(ids);
    const read = found.map((stored, n): ViewChange => ({ id: ids[n] ?? "", put: stored && toView(stored) }));
    return [...own, ...read];
  }

  #settle(position: string): void {
    this.#position = position;
    for (const versionstamp of this.#own.keys()) if (versionstamp <= position) this.#own.delete(versionstamp);
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ versionstamp }) => versionstamp > position);
    for (const { versionstamp, resolve } of waiting) if (versionstamp <= position) resolve();
  }

  async #watch(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        this.#watcher = this.#options.truth.log.changes().getReader();
        while (!(await this.#watcher.read()).done) this.#wake.resolve();
      } catch (error) {
        log.debug("The KV stopped telling of changes: {error}", { error });
      }
      await pause(RETRY_MS, this.#abort.signal);
    }
  }

  /** A new file in the place of a damaged one. */
  async #replace(): Promise<void> {
    log.error("The index is damaged and is built anew.");
    const thread = await this.#opened;
    await thread.open(this.#options.path, false);
    this.#status = { state: "building", documents: 0 };
    this.#options.onReplaced();
  }
}

/** Entries in groups of about as many documents as fit into one transaction. */
function* batches(entries: readonly LogEntry[]): Generator<LogEntry[]> {
  let batch: LogEntry[] = [];
  let documents = 0;
  for (const entry of entries) {
    batch.push(entry);
    documents += entry.ids.length;
    if (documents < BATCH_DOCUMENTS) continue;
    yield batch;
    batch = [];
    documents = 0;
  }
  if (batch.length > 0) yield batch;
}

/** A pause that ends when it is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
