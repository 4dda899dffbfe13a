/**
 * The documents of one Assets DB that match a search, in its order, read as they are wanted.
 *
 * A little is read ahead, so that the time a source needs runs for all of them at once, and no more than a little, so that
 * memory does not grow with the answer. Whatever goes wrong ends this stream alone and is kept as its outcome.
 */
import { isJsonObject, type Json, type JsonObject } from "../collection/json.ts";
import type { SortValues } from "../collection/order.ts";
import type { GuardedClient, GuardedResponse } from "./guarded_client.ts";
import { Patience } from "./patience.ts";
import { HOP_HEADER, outcomeOf, refusal, SourceError, type SourceOutcome } from "./source_outcome.ts";
import { TextLines } from "./text_lines.ts";

/** The place of a document in the order of a search. */
export interface Position {
  id: string;
  /** What it is sorted by; empty in the default order. */
  keys: SortValues;
}

/** One document of a source. */
export interface SourceDocument {
  position: Position;
  /** The same for the same asset, whichever source gives it. */
  identity: string;
  /** Whether it comes from the Assets DB that holds it. */
  isFromOwner: boolean;
  /** As it is to be shown. */
  text: string;
}

/** What a source has done so far, for `explain=true`. */
export interface SourceWork {
  /** How often it was asked: once for each page. */
  requests: number;
  bytes: number;
  /** How many documents came, those included that were not wanted in the end. */
  documents: number;
  /** When its first document came, in milliseconds since it was asked. */
  firstMs?: number;
  /** When it had nothing more to give, or failed. */
  endMs?: number;
}

/** What makes a stream. */
export interface SourceStreamOptions {
  client: GuardedClient;
  /** Its `POST /assets` with the query string but for the cursor. */
  url: URL;
  token?: string;
  /** The filter as JSON. */
  filter: string;
  /** The cursor to begin at, and the place it stands for. */
  begin?: { cursor: string; position: Position };
  keysOf: (document: JsonObject) => SortValues;
  compare: (a: Position, b: Position) => number;
  /** What is shown of a document. */
  show: (id: string, document: JsonObject) => string;
  /** The `assets_db_id` that the source has, if known. */
  assetsDbId?: string;
  timeoutMs: number;
  signal: AbortSignal;
}

/** The longest line: an asset has at most 256 KiB, which escapes for what is not ASCII can make longer. */
const MAX_LINE_CHARACTERS = 1024 * 1024;

/** The longest id of an asset or of an Assets DB: many are remembered, to find what comes twice. Ours have 36 as a rule. */
const MAX_ID_CHARACTERS = 256;

/** An Assets DB takes no document that is nested deeper. */
const MAX_DEPTH = 100;

/** The most bytes of one source in one answer. */
const MAX_BYTES = 4 * 1024 ** 3;

/** So many characters are read ahead. */
const READ_AHEAD_CHARACTERS = 128 * 1024;

/** So many lines that were taken are removed at once. */
const COMPACT_AFTER = 256;

/** The stream of one source. It begins to read at once. */
export class SourceStream {
  outcome: SourceOutcome = { status: "ok" };
  readonly work: SourceWork = { requests: 0, bytes: 0, documents: 0 };
  readonly #startedAt = performance.now();
  readonly #options: SourceStreamOptions;
  readonly #abort = new AbortController();
  readonly #patience: Patience;
  #lines: string[] = [];
  #next = 0;
  #heldCharacters = 0;
  #hasEnded = false;
  #isClosed = false;
  #last: Position | undefined;
  #onLines: () => void = () => {};
  #onRoom: () => void = () => {};

  constructor(options: SourceStreamOptions) {
    this.#options = options;
    this.#last = options.begin?.position;
    this.#patience = new Patience(options.timeoutMs, this.#abort);
    options.signal.addEventListener("abort", this.#onAbort, { once: true });
    if (options.signal.aborted) this.close();
    void this.#readAhead();
  }

  /** The next document; `undefined` at the end, whether the source came to it or failed. */
  async next(): Promise<SourceDocument | undefined> {
    for (;;) {
      const line = this.#takeLine();
      if (line === undefined) {
        if (this.#hasEnded) return undefined;
        await new Promise<void>((resolve) => this.#onLines = resolve);
      } else {
        return this.#read(line);
      }
    }
  }

  /** Ends it, if it has not ended. */
  close(): void {
    this.#isClosed = true;
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    this.#abort.abort(new Error("closed"));
    this.#end();
  }

  readonly #onAbort = () => this.close();

  #takeLine(): string | undefined {
    const line = this.#lines[this.#next];
    if (line === undefined) return undefined;
    this.#heldCharacters -= line.length;
    // What was taken must go before all is taken, which a source that keeps ahead never lets happen.
    if (++this.#next >= COMPACT_AFTER || this.#next === this.#lines.length) {
      this.#lines.splice(0, this.#next);
      this.#next = 0;
    }
    if (this.#heldCharacters < READ_AHEAD_CHARACTERS) this.#onRoom();
    return line;
  }

  /** A line as a document, held to the order that was asked for: a merge of what is out of order would lose documents. */
  #read(line: string): SourceDocument | undefined {
    const { keysOf, compare, show, assetsDbId } = this.#options;
    try {
      const parsed: Json = JSON.parse(line);
      if (!isJsonObject(parsed) || !isId(parsed.id) || !isId(parsed.assets_db_id)) {
        throw new SourceError("It answered a line that is no asset with its ids.");
      }
      if (isTooDeep(parsed)) {
        throw new SourceError("It answered a line that is no asset: it is nested too deep.");
      }
      const { id, ...document } = parsed;
      const position = { id, keys: keysOf(document) };
      if (this.#last && compare(position, this.#last) <= 0) {
        throw new SourceError("It answered in another order than it was asked for.");
      }
      this.#last = position;
      const owner = parsed.assets_db_id;
      return {
        position,
        identity: `${owner}\n${id}`,
        isFromOwner: owner === assetsDbId,
        text: show(id, document),
      };
    } catch (error) {
      this.#fail(
        error instanceof SourceError ? error : new SourceError("It answered a line that is no asset."),
      );
      this.#lines = [];
      this.#next = 0;
      return undefined;
    }
  }

  async #readAhead(): Promise<void> {
    try {
      for (let cursor = this.#options.begin?.cursor, isMore = true; isMore;) {
        const response = await this.#patience.spend(() => this.#ask(cursor));
        const lines = await this.#readPage(response);
        cursor = response.header("x-next-cursor");
        isMore = cursor !== undefined;
        if (isMore && lines === 0) {
          throw new SourceError("It answered an empty page that is not the last one.");
        }
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#end();
    }
  }

  async #ask(cursor: string | undefined): Promise<GuardedResponse> {
    const { client, url: base, token, filter } = this.#options;
    const url = new URL(base);
    this.work.requests++;
    if (cursor !== undefined) url.searchParams.set("cursor", cursor);
    const response = await client.send(url, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Accept: "application/x-ndjson",
        [HOP_HEADER]: "1",
        ...token !== undefined && { Authorization: `Bearer ${token}` },
      },
      body: filter,
      signal: this.#abort.signal,
    });
    if (response.status !== 200) throw await refusal(response);
    if (!(response.header("content-type") ?? "").startsWith("application/x-ndjson")) {
      response.close();
      throw new SourceError("It does not answer in NDJSON, as an Assets DB does.");
    }
    return response;
  }

  /** Reads a page into the lines ahead. Returns how many it had. */
  async #readPage(response: GuardedResponse): Promise<number> {
    const chunks = response.body[Symbol.asyncIterator]();
    const text = new TextLines();
    let count = 0;
    try {
      for (;;) {
        const { value, done } = await this.#patience.spend(() => chunks.next());
        const lines = done ? text.end() : text.take(value);
        if (text.openCharacters > MAX_LINE_CHARACTERS) {
          throw new SourceError("It answered a line that is too long.");
        }
        this.work.bytes += value?.length ?? 0;
        if (this.work.bytes > MAX_BYTES) throw new SourceError(`It answered more than ${MAX_BYTES} bytes.`);
        this.#patience.earn(lines.length, value?.length ?? 0);
        count += lines.length;
        this.#add(lines);
        if (done) return count;
        if (this.#heldCharacters >= READ_AHEAD_CHARACTERS) await this.#room();
      }
    } finally {
      response.close();
    }
  }

  #add(lines: string[]): void {
    for (const line of lines) {
      this.#lines.push(line);
      this.#heldCharacters += line.length;
    }
    if (lines.length === 0) return;
    this.work.documents += lines.length;
    this.work.firstMs ??= this.#elapsedMs();
    this.#onLines();
  }

  async #room(): Promise<void> {
    await new Promise<void>((resolve) => this.#onRoom = resolve);
    this.#abort.signal.throwIfAborted();
  }

  #fail(error: unknown): void {
    // Whoever has closed it does not want to know.
    if (this.#isClosed) return;
    this.outcome = outcomeOf(error, this.#options.timeoutMs, this.#patience.isOut);
    this.close();
  }

  #elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  #end(): void {
    this.work.endMs ??= this.#elapsedMs();
    this.#hasEnded = true;
    this.#onLines();
    this.#onRoom();
  }
}

function isId(value: Json | undefined): value is string {
  return typeof value === "string" && value.length <= MAX_ID_CHARACTERS;
}

/** Walks without recursion, since it is here to find what is too deep for it. */
function isTooDeep(document: JsonObject): boolean {
  let level: Json[] = [document];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return true;
    level = level.flatMap((value) => typeof value === "object" && value !== null ? Object.values(value) : []);
  }
  return false;
}
