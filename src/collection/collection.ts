/**
 * A collection of JSON documents with unique values and MongoDB filters: what the use cases of both modes call.
 *
 * It knows nothing of assets or HTTP. A document has two faces: as stored, and as `render` shows it; filters, sorts and
 * answers use the second, so what depends on the running server (its public URL) never has to be stored.
 */
import { ServiceError } from "../errors.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import { jsonBytes } from "./large_value.ts";
import { type QueryRequest, type QueryResult, runQuery } from "./query.ts";
import { type Alongside, type Change, type StoredText, Truth, type UniqueValue } from "./truth.ts";

/** A document as it is stored. */
export interface Stored {
  id: string;
  document: JsonObject;
  /** Changes with every change of the document. */
  versionstamp: string;
  pieces: number;
}

/** What makes a collection. */
export interface CollectionOptions {
  kv: Deno.Kv;
  /** Its name in the keys of the KV. */
  name: string;
  /** The values of a stored document that no other may have. */
  uniqueOf: (document: JsonObject) => UniqueValue[];
  /** What filters and readers see of a stored document. Must not change its argument. */
  render?: (document: JsonObject) => JsonObject;
  /** The largest document, in bytes of its JSON as shown; a larger one is `too_large`. */
  maxDocumentBytes: number;
}

/** The document was changed or removed by somebody else after it was read: read it again and decide anew. */
export class DocumentChanged extends Error {
  override readonly name = "DocumentChanged";
}

/** A condition of `Alongside.checks` no longer held; nothing was written. */
export class AlongsideChanged extends Error {
  override readonly name = "AlongsideChanged";
}

/** How often a commit is tried that fails without a cause that lasts. */
const MAX_COMMIT_TRIES = 8;

/** How often a change is made anew when others change the same document at the same time. */
const MAX_CHANGE_TRIES = 20;

/**
 * Makes a change that reads a document and writes it back, anew each time that somebody else was faster.
 *
 * @param change throws `DocumentChanged` when what it read is no longer so
 * @throws {ServiceError} `unavailable` when others are faster again and again
 */
export async function untilUndisturbed<T>(change: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await change();
    } catch (error) {
      if (!(error instanceof DocumentChanged)) throw error;
      if (tries === MAX_CHANGE_TRIES) {
        throw new ServiceError("unavailable", "Too many changes at once; try again.");
      }
      // A pause that differs lets those that collided drift apart.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * tries));
    }
  }
}

/** Documents of one kind. Every method may also throw what Deno KV throws when it is away. */
export class Collection {
  readonly render: (document: JsonObject) => JsonObject;
  readonly #truth: Truth;
  readonly #options: CollectionOptions;

  constructor(options: CollectionOptions) {
    this.#options = options;
    this.#truth = new Truth(options.kv, options.name);
    this.render = options.render ?? ((document) => document);
  }

  /** The document with this id, if there is one. */
  async get(id: string): Promise<Stored | undefined> {
    const found = await this.#truth.get(id);
    return found && parseStored(found);
  }

  /** The document that holds this unique value, if there is one. */
  async find(unique: UniqueValue): Promise<Stored | undefined> {
    const id = await this.#truth.idOf(unique);
    if (id === undefined) return undefined;
    const found = await this.get(id);
    // Between the two reads the value may have moved to another document.
    if (found && this.#options.uniqueOf(found.document).some((own) => isSame(own, unique))) return found;
    const now = await this.#truth.idOf(unique);
    return now === undefined || now === id ? undefined : await this.get(now);
  }

  /** Throws `already_exists` if another document than `exceptId` holds one of the unique values of `document`. */
  async checkUnique(document: JsonObject, exceptId?: string): Promise<void> {
    for (const unique of this.#options.uniqueOf(document)) {
      const holder = await this.#truth.idOf(unique);
      if (holder !== undefined && holder !== exceptId) throw taken(unique);
    }
  }

  /** A condition for `Alongside.checks`: no document has this id. */
  absent(id: string): Deno.AtomicCheck {
    return this.#truth.absent(id);
  }

  /**
   * Adds a document.
   *
   * @throws {ServiceError} `already_exists` if a unique value is taken, `too_large`
   * @throws {AlongsideChanged}
   */
  async insert(id: string, document: JsonObject, alongside?: Alongside): Promise<Stored> {
    return await this.#put({ id, next: this.#encode(document), alongside }, document);
  }

  /**
   * Puts `document` in the place of `stored`.
   *
   * @throws {ServiceError} `already_exists` if a unique value is taken, `too_large`
   * @throws {DocumentChanged}
   * @throws {AlongsideChanged}
   */
  async replace(stored: Stored, document: JsonObject, alongside?: Alongside): Promise<Stored> {
    const change = {
      id: stored.id,
      previous: this.#previous(stored),
      next: this.#encode(document),
      alongside,
    };
    return await this.#put(change, document);
  }

  /**
   * Takes a document away.
   *
   * @throws {DocumentChanged}
   * @throws {AlongsideChanged}
   */
  async remove(stored: Stored, alongside?: Alongside): Promise<void> {
    await this.#commit({ id: stored.id, previous: this.#previous(stored), alongside });
  }

  /** The documents that match, in order, page by page or all; see `query.ts`. */
  query(request: QueryRequest): QueryResult {
    return runQuery({ truth: this.#truth, render: this.render }, request);
  }

  #encode(document: JsonObject) {
    const bytes = jsonBytes(document);
    const { maxDocumentBytes } = this.#options;
    if (bytes.length > maxDocumentBytes) {
      // What is stored beside what is shown does not count.
      const { length } = jsonBytes(this.render(document));
      if (length > maxDocumentBytes) {
        throw new ServiceError(
          "too_large",
          `The document would be ${length} bytes of JSON; at most ${maxDocumentBytes} are allowed.`,
        );
      }
    }
    return { bytes, unique: this.#options.uniqueOf(document) };
  }

  #previous({ document, versionstamp, pieces }: Stored) {
    return { versionstamp, pieces, unique: this.#options.uniqueOf(document) };
  }

  async #put(change: Change & { next: NonNullable<Change["next"]> }, document: JsonObject): Promise<Stored> {
    return { id: change.id, document, ...await this.#commit(change) };
  }

  async #commit(change: Change): Promise<{ versionstamp: string; pieces: number }> {
    for (let tries = 1;; tries++) {
      const done = await this.#truth.commit(change);
      if (done) return done;
      await this.#throwCause(change);
      // The cause is gone already: somebody held a unique value for a moment.
      if (tries === MAX_COMMIT_TRIES) {
        throw new ServiceError("unavailable", "Too many changes at once; try again.");
      }
    }
  }

  /** Finds out why a commit was refused. The order matters: a repeated request must be known before "taken" is said. */
  async #throwCause({ id, previous, next, alongside }: Change): Promise<void> {
    for (const { key, versionstamp } of alongside?.checks ?? []) {
      if ((await this.#options.kv.get(key)).versionstamp !== versionstamp) throw new AlongsideChanged();
    }
    const now = await this.#truth.get(id);
    if (now?.versionstamp !== previous?.versionstamp) throw new DocumentChanged();
    for (const unique of next?.unique ?? []) {
      const holder = await this.#truth.idOf(unique);
      if (holder !== undefined && holder !== id) throw taken(unique);
    }
  }
}

function parseStored({ id, text, versionstamp, pieces }: StoredText): Stored {
  const document: unknown = JSON.parse(text);
  if (!isJsonObject(document)) throw new TypeError(`Document ${id} is not a JSON object`);
  return { id, document, versionstamp, pieces };
}

function isSame(a: UniqueValue, b: UniqueValue): boolean {
  return a.field === b.field && a.value === b.value;
}

function taken({ field, value }: UniqueValue): ServiceError {
  return new ServiceError("already_exists", `The ${field} ${JSON.stringify(value)} is taken.`, {
    details: [{ path: field, message: "is taken" }],
  });
}
