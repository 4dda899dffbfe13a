/**
 * The connection to a remote KV: gone when a call is not answered in time, and back by itself.
 *
 * **Ghosts.** A commit whose answer did not come may be on its way still and arrive minutes later. So every commit checks a
 * fence, a key of this node alone, by its versionstamp; and before anything else is written after a loss, the fence is
 * written anew. A commit that was sent before has happened by then, or its check fails whenever it arrives.
 *
 * **Repeated commits.** Deno's client sends a commit again when the connection broke, also if the first had arrived. The
 * second is then refused by its own checks. So a commit with checks leaves a mark, and one that is refused looks for it.
 *
 * | key                           | value                                       |
 * | ----------------------------- | ------------------------------------------- |
 * | `["fence", node]`             | when it was written                         |
 * | `["committed", node, commit]` | `true`, for some minutes: it has happened   |
 */
import { getLogger } from "@logtape/logtape";
import { ServiceError } from "../errors.ts";
import { CallQueue } from "./call_queue.ts";
import { ClientThread, NoAnswer } from "./client_thread.ts";
import { probeEndpoint } from "./endpoint.ts";
import type { CommitOrder, Mutation, OrderOf, Results } from "./orders.ts";
import { CommitUnknown, kvAway } from "./unavailable.ts";

const log = getLogger(["assets-server", "kv"]);

/** How long a call may take. With the time in the queue it is below the 5 s in which a client is to have its answer. */
const CALL_TIMEOUT_MS = 3000;

/** How long a page of a list may take; nobody waits for it at the other end of a request. */
const LIST_TIMEOUT_MS = 15_000;

/** How long it may take to start a client and to open the KV. */
const OPEN_TIMEOUT_MS = 10_000;

/** When a call takes this long, the endpoint is asked whether it is there at all. */
const SUSPICION_MS = 800;

/** Pauses between two tries to come back, doubled from the first to the last. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 2000;

/** How long the mark of a commit stays; its client has stopped asking by then. */
const MARK_MS = 10 * 60_000;

/** What the client says of an answer that blames the call. Too many calls (429) and refused tokens are the KV's own affair. */
const REFUSED_CALL = /\(status=4(?!01|03|29)\d\d /;

/** How often a commit is sent that met a fence written meanwhile. */
const MAX_TRIES = 5;

/** What makes a connection. */
export interface ConnectionOptions {
  url: string;
  token: string;
  /** Names this node in its fence; the same at every start on the same data. */
  node: string;
}

/** A connection that stands. */
interface Live {
  thread: ClientThread;
  /** The versionstamp of the fence. */
  fence: string;
}

/** One node's connection to a remote KV. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #queue = new CallQueue();
  readonly #closed = new AbortController();
  readonly #fenceKey: Deno.KvKey;
  #live: Live | undefined;
  #upSince = Infinity;
  #connecting: Promise<void> | undefined;
  #suspicion: ReturnType<typeof setInterval> | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#fenceKey = ["fence", options.node];
    this.#connecting = this.#connect();
  }

  /** Since when the KV has been there, in milliseconds since the epoch; `Infinity` while it is away. */
  get upSince(): number {
    return this.#upSince;
  }

  /** Waits until it stands, at most so long. */
  async ready(mostMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, mostMs);
    });
    await Promise.race([this.#connecting, late]);
    clearTimeout(timer);
  }

  /**
   * Carries out an order that reads.
   *
   * @throws {ServiceError} `unavailable` if the KV is away
   */
  async read<K extends "getMany" | "list">(order: OrderOf<K>): Promise<Results[K]> {
    const timeoutMs = "selector" in order ? LIST_TIMEOUT_MS : CALL_TIMEOUT_MS;
    try {
      return await this.#ask<K>(order, timeoutMs);
    } catch (error) {
      throw error instanceof ServiceError || error instanceof TypeError ? error : kvAway(error);
    }
  }

  /**
   * Carries out a commit.
   *
   * @throws {CommitUnknown} if it may have happened
   * @throws {ServiceError} `unavailable` if it has not
   */
  async commit(
    checks: Deno.AtomicCheck[],
    mutations: Mutation[],
  ): Promise<Deno.KvCommitResult | Deno.KvCommitError> {
    const mark = ["committed", this.#options.node, crypto.randomUUID()];
    const marked: Mutation[] = checks.length === 0 ? mutations : [
      ...mutations,
      { type: "set", key: { parts: mark }, value: true, expireIn: MARK_MS },
    ];
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const live = this.#live ?? this.#throwAway();
      const fence = { key: this.#fenceKey, versionstamp: live.fence };
      const order: CommitOrder = { kind: "commit", checks: [fence, ...checks], mutations: marked };
      const outcome = await this.#send(order) ?? await this.#whyRefused(live, mark);
      if (outcome !== "fence") return outcome;
    }
    throw kvAway(new Error("the fence was written anew again and again"));
  }

  /** The entries of some keys, each time that one has changed. The stream fails when the KV goes away. */
  watch(keys: Deno.KvKey[]): ReadableStream<Results["watch"]> {
    const live = this.#live ?? this.#throwAway();
    return live.thread.watch(keys);
  }

  /** Ends it, whatever is under way. */
  close(): void {
    this.#closed.abort();
    this.#lose(this.#live, "the server stops");
  }

  /** Sends a commit; `undefined` if it was refused. */
  async #send(order: CommitOrder): Promise<Deno.KvCommitResult | undefined> {
    try {
      const result = await this.#ask<"commit">(order, CALL_TIMEOUT_MS);
      return result.ok ? result : undefined;
    } catch (error) {
      throw error instanceof ServiceError || error instanceof TypeError ? error : new CommitUnknown(error);
    }
  }

  /** Why a commit was refused: it had happened already, the fence is a new one, or its checks do not hold. */
  async #whyRefused(
    live: Live,
    mark: Deno.KvKey,
  ): Promise<Deno.KvCommitResult | Deno.KvCommitError | "fence"> {
    try {
      const keys = [mark, this.#fenceKey];
      const [marked, fence] = await this.#ask<"getMany">({ kind: "getMany", keys }, CALL_TIMEOUT_MS);
      if (marked?.versionstamp) return { ok: true, versionstamp: marked.versionstamp };
      if (fence?.versionstamp === live.fence) return { ok: false };
      // Written by an earlier try to come back, which arrived late; or this connection is a later one.
      if (fence?.versionstamp && this.#live === live) live.fence = fence.versionstamp;
      return "fence";
    } catch (error) {
      throw error instanceof TypeError ? error : new CommitUnknown(error);
    }
  }

  async #ask<K extends "getMany" | "list" | "commit">(
    order: OrderOf<K>,
    timeoutMs: number,
  ): Promise<Results[K]> {
    await this.#queue.enter();
    const live = this.#live;
    try {
      if (!live) this.#throwAway();
      this.#suspect();
      return await live.thread.ask<K>(order, timeoutMs);
    } catch (error) {
      // What is wrong with a call says nothing of the connection; whatever else fails, the client's state is unknown.
      const message = error instanceof Error ? error.message : String(error);
      if (REFUSED_CALL.test(message)) throw new TypeError(message, { cause: error });
      if (live && !(error instanceof TypeError)) this.#lose(live, message);
      throw error;
    } finally {
      this.#queue.leave();
    }
  }

  /** While calls are under way that take long, asks whether the endpoint is there: sooner than their deadlines would tell. */
  #suspect(): void {
    this.#suspicion ??= setInterval(async () => {
      const { longestMs } = this.#queue;
      if (longestMs === 0) {
        clearInterval(this.#suspicion);
        this.#suspicion = undefined;
      }
      if (longestMs < SUSPICION_MS) return;
      const live = this.#live;
      const found = await probeEndpoint(this.#options.url, this.#options.token, this.#closed.signal);
      if (found.state !== "there") this.#lose(live, found.reason);
    }, SUSPICION_MS / 2);
  }

  #throwAway(): never {
    throw kvAway();
  }

  #lose(live: Live | undefined, reason: string): void {
    if (!live || live !== this.#live) return;
    this.#live = undefined;
    this.#upSince = Infinity;
    clearInterval(this.#suspicion);
    this.#suspicion = undefined;
    live.thread.end(reason);
    this.#queue.refuseWaiting(kvAway());
    if (this.#closed.signal.aborted) return;
    log.warn("The KV is away, what is known goes on being served: {reason}", { reason });
    this.#connecting = this.#connect();
  }

  async #connect(): Promise<void> {
    const { signal } = this.#closed;
    let pauseMs = FIRST_PAUSE_MS;
    let said = "";
    while (!signal.aborted) {
      const found = await probeEndpoint(this.#options.url, this.#options.token, signal);
      const reason = found.state === "there" ? await this.#tryToConnect() : found.reason;
      if (reason === undefined || signal.aborted) return;
      if (reason !== said) log.warn("The KV cannot be reached: {reason}", { reason });
      said = reason;
      await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.75 + Math.random() / 2)));
      pauseMs = Math.min(LAST_PAUSE_MS, pauseMs * 2);
    }
  }

  /** Opens the KV and writes the fence; returns what went wrong, if anything did. */
  async #tryToConnect(): Promise<string | undefined> {
    const thread = new ClientThread();
    try {
      await thread.ask<"open">({ kind: "open", url: this.#options.url }, OPEN_TIMEOUT_MS);
      const key = { parts: this.#fenceKey };
      const fence: CommitOrder = {
        kind: "commit",
        checks: [],
        mutations: [{ type: "set", key, value: Date.now() }],
      };
      const written = await thread.ask<"commit">(fence, CALL_TIMEOUT_MS);
      if (!written.ok) throw new NoAnswer("the fence was not written");
      if (this.#closed.signal.aborted) throw new NoAnswer("the server stops");
      this.#live = { thread, fence: written.versionstamp };
      this.#upSince = Date.now();
      log.info("The KV {url} is there.", { url: this.#options.url });
      return undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      thread.end(reason);
      return reason;
    }
  }
}
