/**
 * The documents of one Assets DB that match a search, in its order, read as they are wanted.
 *
 * A little is read ahead, so that the time a source needs runs for all of them at once, and no more than a little, so that
 * memory does not grow with the answer. Whatever goes wrong ends this stream alone and is kept as its outcome.
 */
import { isJsonObject, type Json, type JsonObject } from "../collection/json.ts";
import type { SortValues } from "../collection/order.ts";
import { ServiceError } from "../errors.ts";
import { type GuardedClient, type GuardedResponse, readText } from "./guarded_client.ts";
import { Patience } from "./patience.ts";

/** The header of a request that a registry sends on behalf of another; a registry that gets it does not answer. */
export const HOP_HEADER = "X-Assets-Federation-Hop";

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

/** How a source did. */
export interface SourceOutcome {
  status: "ok" | "error" | "timeout" | "skipped";
  error?: string;
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

/** The longest line: an asset has at most 256 KiB, which escapes can make longer. */
const MAX_LINE_CHARACTERS = 2 * 1024 * 1024;

/** An Assets DB takes no document that is nested deeper. */
const MAX_DEPTH = 100;

/** The most bytes of one source in one answer. */
const MAX_BYTES = 4 * 1024 ** 3;

/** So many characters are read ahead. */
const READ_AHEAD_CHARACTERS = 128 * 1024;

/** So many lines that were taken are removed at once. */
const COMPACT_AFTER = 256;

/** The most bytes that are read of an error. */
const MAX_ERROR_BYTES = 64 * 1024;

/** A source that does not do as an Assets DB does. */
class SourceError extends Error {
  readonly status: SourceOutcome["status"];

  constructor(message: string, status: SourceOutcome["status"] = "error") {
    super(message);
    this.status = status;
  }
}

/** The stream of one source. It begins to read at once. */
export class SourceStream {
  outcome: SourceOutcome = { status: "ok" };
  readonly #options: SourceStreamOptions;
  readonly #abort = new AbortController();
  readonly #patience: Patience;
  #lines: string[] = [];
  #next = 0;
  #heldCharacters = 0;
  #receivedBytes = 0;
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
      if (!isJsonObject(parsed) || typeof parsed.id !== "string" || typeof parsed.assets_db_id !== "string") {
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
    const decoder = new TextDecoder();
    const chunks = response.body[Symbol.asyncIterator]();
    let rest = "";
    let count = 0;
    try {
      for (;;) {
        const { value, done } = await this.#patience.spend(() => chunks.next());
        const text = rest + (done ? decoder.decode() : decoder.decode(value, { stream: true }));
        const pieces = text.split("\n");
        rest = done ? "" : pieces.pop() ?? "";
        const lines = pieces.filter((piece) => piece !== "");
        if (rest.length > MAX_LINE_CHARACTERS) throw new SourceError("It answered a line that is too long.");
        this.#receivedBytes += value?.length ?? 0;
        if (this.#receivedBytes > MAX_BYTES) {
          throw new SourceError(`It answered more than ${MAX_BYTES} bytes.`);
        }
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
    if (lines.length > 0) this.#onLines();
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

  #end(): void {
    this.#hasEnded = true;
    this.#onLines();
    this.#onRoom();
  }
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

/** Why a source did not answer with documents. */
async function refusal(response: GuardedResponse): Promise<SourceError> {
  const { status } = response;
  if (response.header(HOP_HEADER.toLowerCase()) !== undefined) {
    response.close();
    return new SourceError("It is a registry, not an Assets DB.", "skipped");
  }
  const text = await readText(response, MAX_ERROR_BYTES).catch(() => "");
  return new SourceError(`It answered ${status}${sentenceIn(text)}.`);
}

/** What an error envelope says, if it is one. */
function sentenceIn(text: string): string {
  try {
    const body: unknown = JSON.parse(text);
    if (!isJsonObject(body) || typeof body.error !== "string") return "";
    return `: ${body.error.slice(0, 300).replace(/\.$/, "")}`;
  } catch {
    return "";
  }
}

function outcomeOf(error: unknown, timeoutMs: number, isLate: boolean): SourceOutcome {
  if (isLate) return { status: "timeout", error: `It did not answer within ${timeoutMs / 1000} s.` };
  if (error instanceof SourceError) return { status: error.status, error: error.message };
  if (error instanceof ServiceError) return { status: "error", error: error.message };
  return {
    status: "error",
    error: `It could not be reached: ${error instanceof Error ? error.message : error}.`,
  };
}
