/**
 * Makes an asset of each line of NDJSON, and a line of NDJSON of what became of it, in order.
 *
 * Lines go into groups, and a group into one commit as a rule; a few groups are on their way at once. A group that is not full
 * waits for more lines only while others are on their way, so whoever sends one line and waits for its answer gets it. Lines
 * are read as far as answers are taken, and no further.
 */
import { setImmediate } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import { ServiceError } from "../errors.ts";
import { MAX_JSON_BODY_BYTES, parseJson } from "../http/json_body.ts";
import { validate } from "../validation.ts";
import { type Line, LineSplitter } from "./bulk_lines.ts";
import type { LineIds } from "./line_ids.ts";
import { createBody } from "./schema.ts";
import { type AssetService, type NewAsset, takenId } from "./service.ts";

const log = getLogger(["assets-server", "assets"]);

/** As many assets as Deno KV takes in one commit: each has one key to be checked as a rule, and 100 can be. */
const GROUP_LINES = 100;
const GROUP_BYTES = 512 * 1024;

/** So many groups are on their way at once: into the KV, into the index, out. The index takes many at once with less work. */
const MAX_FLIGHTS = 24;
/** A KV across the network takes a group in several commits, and all of those on their way have to be through in time. */
const MAX_FLIGHTS_SHARED = 8;

/** When the KV takes no group for so long, those on their way are given up: their lines may have been stored or not. */
const GROUP_TIMEOUT_MS = 5000;

/**
 * A client of which a read gives so much sends as fast as it is read: of it alone, more is read while lines are on their way.
 * What others send meanwhile comes with the next read. No answer should be given while a read waits: see `ANSWER_BEGINS_MS` in
 * `bulk_route.ts`.
 */
const STREAMING_BYTES = 16 * 1024;

/** Such a client's next bytes are waited for so long, before an answer is given nevertheless. */
const READING_MS = 50;

/** The main thread works on lines for this long before others have their turn. */
const MAX_HOLD_MS = 10;

/** Where lines come from: the next bytes, `undefined` at the end. They may be used again once the next are asked for. */
export type ReadBytes = () => Promise<Uint8Array | undefined>;

/** One line, to be stored, or refused. */
interface Entry {
  number: number;
  sizeBytes: number;
  asset?: NewAsset;
  error?: ServiceError;
}

/** Lines that are stored together. */
interface Group {
  entries: Entry[];
  sizeBytes: number;
}

/**
 * Makes the assets.
 *
 * @param ids of the assets, for a request that may be repeated; else they are new ones
 * @returns pieces of NDJSON. If reading fails, the last line says so; its number is that of the first line that was not looked at
 */
export async function* createFromLines(
  service: AssetService,
  read: ReadBytes,
  ids?: LineIds,
): AsyncGenerator<string> {
  yield* new Bulk(service, read, ids).run();
}

class Bulk {
  readonly #service: AssetService;
  readonly #read: ReadBytes;
  readonly #ids: LineIds | undefined;
  readonly #maxFlights: number;
  readonly #lines = new LineSplitter(MAX_JSON_BODY_BYTES);
  #group = newGroup();
  /** Groups on their way, in order; each resolves to its answers. */
  readonly #flights: Promise<string>[] = [];
  /** What the groups on their way want. */
  readonly #claimed = new Set<string>();
  /** A line that wants what a group on its way wants: it waits, so that the earlier line gets it. */
  #held: Entry | undefined;
  /** The lines that were read are used up. */
  #needsBytes = true;
  #isEnd = false;
  #failure: { line: number; error: ServiceError } | undefined;
  #reading: Promise<undefined> | undefined;
  /** The client sends as fast as it is read, so it is not about to wait for answers. */
  #isStreaming = false;
  #heldThreadAt = performance.now();
  /** When a group came through last. */
  #progressAt = 0;

  constructor(service: AssetService, read: ReadBytes, ids?: LineIds) {
    this.#service = service;
    this.#maxFlights = service.options.isShared ? MAX_FLIGHTS_SHARED : MAX_FLIGHTS;
    this.#read = read;
    this.#ids = ids;
  }

  async *run(): AsyncGenerator<string> {
    for (;;) {
      await this.#fill();
      if (this.#mayStart()) {
        this.#start();
        continue;
      }
      const awaited: Promise<string | undefined>[] = this.#flights.slice(0, 1);
      if (this.#mayRead()) awaited.push(this.#reading ??= this.#readMore());
      if (awaited.length === 0) break;
      const answers = await Promise.race(awaited);
      if (answers === undefined) continue;
      await this.#finishReading();
      this.#flights.shift();
      yield answers;
    }
    if (this.#failure) yield refusal(this.#failure.line, this.#failure.error);
  }

  /** Takes lines until the group is full, or they are used up. */
  async #fill(): Promise<void> {
    if (this.#held && !this.#isClaimed(this.#held)) {
      add(this.#group, this.#held);
      this.#held = undefined;
    }
    while (!this.#held && !isFull(this.#group) && !this.#needsBytes) {
      const line = this.#lines.next();
      if (!line) {
        this.#needsBytes = true;
        return;
      }
      const entry = this.#entryOf(line);
      if (this.#isClaimed(entry)) this.#held = entry;
      else add(this.#group, entry);
      if (performance.now() - this.#heldThreadAt < MAX_HOLD_MS) continue;
      await setImmediate();
      this.#heldThreadAt = performance.now();
    }
  }

  #entryOf({ number, bytes }: Line): Entry {
    try {
      if (!bytes) {
        throw new ServiceError("too_large", `The line is longer than ${MAX_JSON_BODY_BYTES} bytes.`);
      }
      const body = validate(createBody, parseJson(bytes, "The line"));
      const asset = this.#service.newAsset(body, this.#ids?.of(number, bytes));
      return { number, sizeBytes: bytes.length, asset };
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      return { number, sizeBytes: 0, error };
    }
  }

  #isClaimed(entry: Entry): boolean {
    return valuesOf(entry).some((value) => this.#claimed.has(value));
  }

  #mayStart(): boolean {
    if (this.#group.entries.length === 0 || this.#flights.length >= this.#maxFlights) return false;
    return isFull(this.#group) || this.#held !== undefined || this.#isEnd || this.#flights.length === 0;
  }

  #start(): void {
    const group = this.#group;
    this.#group = newGroup();
    const values = group.entries.flatMap(valuesOf);
    for (const value of values) this.#claimed.add(value);
    this.#flights.push(
      this.#answers(group).finally(() => {
        for (const value of values) this.#claimed.delete(value);
      }),
    );
  }

  async #answers({ entries }: Group): Promise<string> {
    const assets = entries.flatMap(({ asset }) => asset ?? []);
    const refused = await this.#store(assets);
    return entries.map(({ number, asset, error }) => {
      const reason = error ?? (asset && refused.get(asset));
      if (reason) return refusal(number, reason);
      const { id, document } = asset ?? {};
      return `{"line":${number},"success":true,"id":${JSON.stringify(id)},"asset_uri":${
        JSON.stringify(document?.asset_uri)
      }}\n`;
    }).join("");
  }

  /** Stores assets; returns those that were refused, and why. */
  async #store(assets: NewAsset[]): Promise<Map<NewAsset, ServiceError>> {
    try {
      const storing = storeOrFail(this.#service, assets, { mayBeThere: this.#ids !== undefined });
      return await this.#inTime(this.#service.storing.add(storing));
    } catch (error) {
      log.error("Lines of a bulk creation could not be stored: {error}", { error });
      const failure = error instanceof ServiceError ? error : unavailable(error);
      return new Map(assets.map((asset) => [asset, failure]));
    }
  }

  async #inTime<T>(work: Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const startedAt = performance.now();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const wait = () => {
      const left = Math.max(startedAt, this.#progressAt) + GROUP_TIMEOUT_MS - performance.now();
      if (left > 0) timer = setTimeout(wait, left);
      else reject(unavailable("no answer in time"));
    };
    wait();
    // What comes in after its time has nobody who waits for it.
    work.then(() => this.#progressAt = performance.now(), () => {});
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #mayRead(): boolean {
    if (!this.#needsBytes || this.#isEnd || this.#held || isFull(this.#group)) return false;
    return this.#isStreaming || this.#flights.length === 0;
  }

  /** Before an answer is given: what is read ahead has its bytes in a moment, if the client goes on as it did. */
  async #finishReading(): Promise<void> {
    if (!this.#reading || !this.#isStreaming) return;
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => {
      this.#isStreaming = false;
      resolve(undefined);
    }, READING_MS);
    await Promise.race([this.#reading, late]);
    clearTimeout(timer);
  }

  /** Reads the next bytes. If that fails, what has not been started yet is not. */
  async #readMore(): Promise<undefined> {
    try {
      const bytes = await this.#read();
      this.#isStreaming = bytes !== undefined && bytes.length >= STREAMING_BYTES;
      if (bytes) this.#lines.feed(bytes);
      else this.#lines.end();
      this.#isEnd = bytes === undefined;
      this.#needsBytes = false;
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.#failure = { line: this.#group.entries[0]?.number ?? this.#lines.nextNumber, error };
      this.#group = newGroup();
      this.#isEnd = true;
    }
    this.#reading = undefined;
  }
}

async function storeOrFail(
  { assets: stored }: AssetService,
  assets: NewAsset[],
  options: { mayBeThere: boolean },
) {
  const refused = new Map<NewAsset, ServiceError>();
  // The id of an asset names it as well, so nobody else may take it for an asset id.
  const ids = await stored.idsThere(assets.flatMap((asset) => givenId(asset) ?? []));
  for (const asset of assets) {
    if (ids.has(asset.document.asset_id)) refused.set(asset, takenId(asset.document.asset_id));
  }
  const rest = assets.filter((asset) => !refused.has(asset));
  const outcomes = await stored.insertMany(rest, options);
  for (const [n, asset] of rest.entries()) {
    const error = outcomes[n];
    if (error) refused.set(asset, error);
  }
  return refused;
}

function unavailable(cause: unknown): ServiceError {
  const message = "The database does not answer; the asset may have been stored or not.";
  return new ServiceError("unavailable", message, { cause });
}

function newGroup(): Group {
  return { entries: [], sizeBytes: 0 };
}

function isFull({ entries, sizeBytes }: Group): boolean {
  return entries.length >= GROUP_LINES || sizeBytes >= GROUP_BYTES;
}

function add(group: Group, entry: Entry): void {
  group.entries.push(entry);
  group.sizeBytes += entry.sizeBytes;
}

/** What an asset wants for itself; of an id that was made for it, nobody knows. */
function valuesOf({ asset }: Entry): string[] {
  if (!asset) return [];
  const { asset_uri } = asset.document;
  const id = givenId(asset);
  return [...asset_uri === "" ? [] : [`uri ${asset_uri}`], ...id === undefined ? [] : [`id ${id}`]];
}

/** The `asset_id` that a client chose. */
function givenId({ id, document: { asset_id } }: NewAsset): string | undefined {
  return asset_id === "" || asset_id === id ? undefined : asset_id;
}

function refusal(line: number, { code, message, details }: ServiceError): string {
  return `${JSON.stringify({ line, success: false, code, error: message, details })}\n`;
}
