/**
 * A collection of JSON documents with unique values and MongoDB filters: what the use cases of both modes call.
 *
 * It knows nothing of assets or HTTP. A document has two faces: as stored, in the truth, and as `show` makes it, in the view;
 * filters, sorts and answers use the second. What depends on the servers that run now (their public URLs) is put in at the
 * last moment, so that nothing has to be stored anew when it changes.
 */
import { ServiceError } from "../errors.ts";
import { commitGroups, insertGroup, type Insertion } from "./insert_many.ts";
import { asJsonObject, isJsonObject, type Json, type JsonObject } from "./json.ts";
import { jsonBytes } from "./large_value.ts";
import { type QueryRequest, type QueryResult, runQuery } from "./query.ts";
import { type Alongside, type Change, type StoredText, Truth, type UniqueValue } from "./truth.ts";
import { type BaseUrls, liveServerOf, resolveText, type Shown, toText } from "./view/shown_text.ts";
import { View } from "./view/view.ts";
import type { ViewChange, ViewDocument } from "./view/view_writer.ts";

/** A document as it is stored. */
export interface Stored {
  id: string;
  document: JsonObject;
  /** Changes with every change of the document. */
  versionstamp: string;
  pieces: number;
}

/** What is seen of a document, and what is stored beside it. */
export interface ShownDocument extends Shown {
  hidden?: Json;
}

/** A document as it is seen. */
export interface Seen {
  id: string;
  /** Changes with every change of the document. */
  versionstamp: string;
  /** The document as clients see it, as JSON. */
  text: string;
  /** What is stored but not shown, as JSON. */
  hidden: string | null;
  /** The server on whose public URL the text depends, if it depends on one. */
  server?: string;
}

/** What makes a collection. */
export interface CollectionOptions {
  kv: Deno.Kv;
  /** Its name in the keys of the KV. */
  name: string;
  /** The values of a stored document that no other may have. */
  uniqueOf: (document: JsonObject) => UniqueValue[];
  /** Where the view is kept. */
  viewPath: string;
  /** Whether other nodes write to the same KV. */
  isShared?: boolean;
  /** What filters and readers see of a stored document. Must not change its argument. */
  show?: (document: JsonObject) => ShownDocument;
  /** The field that may begin with the URL of a running server. */
  liveField?: string;
  /** The public URLs of the running servers that are known now. */
  bases?: () => BaseUrls;
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
  readonly view: View;
  readonly #truth: Truth;
  readonly #options: CollectionOptions;
  readonly #bases: () => BaseUrls;

  constructor(options: CollectionOptions) {
    this.#options = options;
    this.#truth = new Truth(options.kv, options.name);
    this.#bases = options.bases ?? (() => NO_BASES);
    this.view = new View({
      truth: this.#truth,
      path: options.viewPath,
      isShared: options.isShared ?? false,
      toView: (stored) => this.#toView(parseStored(stored)),
      liveField: options.liveField,
      bases: this.#bases,
    });
  }

  /** Ends what keeps the view up to date. The KV is the caller's. */
  async close(): Promise<void> {
    await this.view.close();
  }

  /** What clients see of a stored document now. */
  render(document: JsonObject): JsonObject {
    return asJsonObject(JSON.parse(resolveText(toText(this.#show(document)), this.#bases())));
  }

  /**
   * The first document as clients see it that one of the references names: a string is an id. From the view, at once; only if
   * that has none of them, from the truth.
   */
  see(...references: (string | UniqueValue)[]): Seen | Promise<Seen | undefined> {
    for (const reference of references) {
      const found = typeof reference === "string" ? this.view.get(reference) : this.view.find(reference);
      if (found) return found;
    }
    return this.#seeInTruth(references);
  }

  async #seeInTruth(references: (string | UniqueValue)[]): Promise<Seen | undefined> {
    for (const reference of references) {
      const stored = await (typeof reference === "string" ? this.get(reference) : this.find(reference));
      if (stored) return this.#seen(stored);
    }
    return undefined;
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
    return await this.#put({ id, next: this.#encode(document) }, document, alongside);
  }

  /**
   * Adds many documents, each for itself, in few commits.
   *
   * @param documents under ids that were made for them
   * @param options.mayBeThere the request may be a repeated one: what has an id that is there already was added before
   * @returns for each, in this order, why it was not added: `already_exists` if a unique value is taken, also by one before it,
   * or `too_large`; `undefined` if it was
   * @throws {ServiceError} `unavailable`; it is unknown then which were added
   */
  async insertMany(
    documents: readonly { id: string; document: JsonObject }[],
    { mayBeThere = false } = {},
  ): Promise<(ServiceError | undefined)[]> {
    const outcomes: (ServiceError | undefined)[] = documents.map(() => undefined);
    const places = new Map<Insertion, number>();
    for (const [n, { id, document }] of documents.entries()) {
      try {
        places.set({ id, next: this.#encode(document), isNewId: true, mayBeThere }, n);
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error;
        outcomes[n] = error;
      }
    }
    const placeOf = (insertion: Insertion) => places.get(insertion) ?? -1;
    const seen: Promise<void>[] = [];
    for (const group of commitGroups(places.keys(), this.#options)) {
      const { inserted, versionstamp, refused } = await insertGroup(this.#truth, group);
      for (const [insertion, value] of refused) outcomes[placeOf(insertion)] = taken(value);
      const changes = inserted.map((insertion): ViewChange => {
        const document = documents[placeOf(insertion)]?.document ?? {};
        return this.#viewChange({ id: insertion.id, document, versionstamp, pieces: 0 });
      });
      if (changes.length > 0) seen.push(this.view.through(versionstamp, changes));
    }
    await Promise.all(seen);
    return outcomes;
  }

  /** Which of these ids are those of documents. */
  async idsThere(ids: readonly string[]): Promise<Set<string>> {
    return await this.#truth.idsThere(ids);
  }

  /**
   * Puts `document` in the place of `stored`.
   *
   * @throws {ServiceError} `already_exists` if a unique value is taken, `too_large`
   * @throws {DocumentChanged}
   * @throws {AlongsideChanged}
   */
  async replace(stored: Stored, document: JsonObject, alongside?: Alongside): Promise<Stored> {
    const change = { id: stored.id, previous: this.#previous(stored), next: this.#encode(document) };
    return await this.#put(change, document, alongside);
  }

  /**
   * Takes a document away.
   *
   * @throws {DocumentChanged}
   * @throws {AlongsideChanged}
   */
  async remove(stored: Stored, alongside?: Alongside): Promise<void> {
    const { versionstamp } = await this.#commit(
      { id: stored.id, previous: this.#previous(stored) },
      alongside,
    );
    await this.view.through(versionstamp, [{ id: stored.id }]);
  }

  /** The documents that match, in order, page by page or all; see `query.ts`. */
  query(request: QueryRequest): QueryResult {
    return runQuery(this.view, request);
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

  async #put(
    change: Change & { next: NonNullable<Change["next"]> },
    document: JsonObject,
    alongside: Alongside | undefined,
  ): Promise<Stored> {
    const stored = { id: change.id, document, ...await this.#commit(change, alongside) };
    await this.view.through(stored.versionstamp, [this.#viewChange(stored)]);
    return stored;
  }

  async #commit(
    change: Change,
    alongside: Alongside = {},
  ): Promise<{ versionstamp: string; pieces: number }> {
    for (let tries = 1;; tries++) {
      const done = await this.#truth.commit([change], alongside);
      if (done) return { versionstamp: done.versionstamp, pieces: done.pieces[0] ?? 0 };
      await this.#throwCause(change, alongside);
      // The cause is gone already: somebody held a unique value for a moment.
      if (tries === MAX_COMMIT_TRIES) {
        throw new ServiceError("unavailable", "Too many changes at once; try again.");
      }
    }
  }

  /** Finds out why a commit was refused. The order matters: a repeated request must be known before "taken" is said. */
  async #throwCause({ id, previous, next }: Change, alongside: Alongside): Promise<void> {
    for (const { key, versionstamp } of alongside.checks ?? []) {
      if ((await this.#options.kv.get(key)).versionstamp !== versionstamp) throw new AlongsideChanged();
    }
    const now = await this.#truth.get(id);
    if (now?.versionstamp !== previous?.versionstamp) throw new DocumentChanged();
    for (const unique of next?.unique ?? []) {
      const holder = await this.#truth.idOf(unique);
      if (holder !== undefined && holder !== id) throw taken(unique);
    }
  }

  #show(document: JsonObject): ShownDocument {
    return this.#options.show?.(document) ?? { document };
  }

  #toView({ document, versionstamp }: Stored): ViewDocument {
    const shown = this.#show(document);
    const hidden = shown.hidden === undefined ? null : JSON.stringify(shown.hidden);
    return { versionstamp, json: toText(shown), hidden };
  }

  #viewChange(stored: Stored): ViewChange {
    return { id: stored.id, put: this.#toView(stored) };
  }

  #seen(stored: Stored): Seen {
    const { versionstamp, json, hidden } = this.#toView(stored);
    const text = resolveText(json, this.#bases());
    return { id: stored.id, versionstamp, text, hidden, server: liveServerOf(json) };
  }
}

const NO_BASES: BaseUrls = new Map();

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
