/** The use cases of a registry: the Assets DBs it knows. */
import { getLogger } from "@logtape/logtape";
import { v7 as uuidV7 } from "uuid";
import { Collection, type Stored, untilUndisturbed } from "../collection/collection.ts";
import { type Once, runOnce, together } from "../collection/idempotency.ts";
import { asJsonObject, type JsonObject } from "../collection/json.ts";
import type { Alongside, UniqueValue } from "../collection/truth.ts";
import { applyPaths } from "../collection/update_paths.ts";
import { ServiceError } from "../errors.ts";
import { validate } from "../validation.ts";
import { type GuardedClient } from "./guarded_client.ts";
import { type HealthReport, probe, probeOutcome } from "./health.ts";
import { type Health, type HealthCheck, healthOf, HealthRecords } from "./health_records.ts";
import { type CreateBody, type Entry, ENTRY_FIELDS, entrySchema, MAX_ENTRY_BYTES } from "./schema.ts";

const log = getLogger(["assets-server", "registry"]);

/** What a registry works with. */
export interface RegistryServiceOptions {
  kv: Deno.Kv;
  /** Asks what is registered. */
  client: GuardedClient;
  /** Refuse to register what does not answer as healthy. */
  requireHealthy: boolean;
  /** Whether other nodes work with the same KV. */
  isShared: boolean;
  /** Where the index of the entries is kept. */
  viewPath: string;
}

/** An entry as it was found. */
export interface FoundEntry {
  entry: Entry;
  /** The entry as JSON. */
  text: string;
  /** A strong entity tag, quotes included. */
  etag: string;
}

/** One registry. */
export class RegistryService {
  readonly entries: Collection;
  readonly records: HealthRecords;
  /** Called when an entry was made or changed. */
  onChange: () => void = () => {};
  readonly #options: RegistryServiceOptions;

  constructor(options: RegistryServiceOptions) {
    this.#options = options;
    this.entries = new Collection({
      kv: options.kv,
      name: "registries",
      viewPath: options.viewPath,
      isShared: options.isShared,
      uniqueOf,
      maxDocumentBytes: MAX_ENTRY_BYTES,
    });
    this.records = new HealthRecords(options.kv, this.entries);
  }

  /**
   * Waits until entries can be read and searched, at most so long.
   *
   * @throws {Error} if the index cannot be opened
   */
  async open(mostMs: number): Promise<void> {
    await this.entries.view.ready(mostMs);
  }

  /** Ends what goes on in the background. */
  async close(): Promise<void> {
    await this.entries.close();
  }

  /**
   * Registers an Assets DB. Returns its id.
   *
   * @throws {ServiceError} `already_exists`, `too_large`, and with `requireHealthy` `unhealthy` or `timeout`
   */
  async create(body: CreateBody, once?: Once): Promise<string> {
    const { id } = await runOnce(this.#options.kv, once, async (record) => {
      const entry = await this.#draft(body);
      const outcome = { id: entry.asset_registry_id };
      await this.entries.insert(uuidV7(), entry, await record(outcome));
      this.onChange();
      return outcome;
    });
    return String(id);
  }

  async #draft(body: CreateBody): Promise<Entry> {
    const entry: Entry = {
      asset_registry_id: body.asset_registry_id || crypto.randomUUID(),
      asset_registry_name: body.asset_registry_name,
      asset_registry_metadata: body.asset_registry_metadata ?? {},
      asset_registry_tags: body.asset_registry_tags ?? [],
      asset_registry_public_url: body.asset_registry_public_url ?? "",
    };
    await this.entries.checkUnique(entry);
    if (this.#options.requireHealthy) await this.#requireHealthy(entry.asset_registry_public_url);
    return entry;
  }

  /**
   * The entry with this id.
   *
   * @throws {ServiceError} `not_found`
   */
  async get(id: string): Promise<FoundEntry> {
    const seen = await this.entries.see({ field: "asset_registry_id", value: id });
    if (!seen) throw notFound(id);
    return { entry: asEntry(asJsonObject(JSON.parse(seen.text))), text: seen.text, etag: etagOf(seen) };
  }

  /**
   * Changes an entry: a field is replaced whole, a dotted path sets a leaf.
   *
   * @param check throws if the entity tag is not the one that the client wants to change
   * @throws {ServiceError} `not_found`, `invalid_request`, `too_large`
   */
  async update(
    id: string,
    changes: JsonObject,
    check: (etag: string) => void,
    once?: Once,
  ): Promise<void> {
    await this.#change(id, check, once, async (stored, done) => {
      const next = applyPaths(stored.document, changes, ENTRY_FIELDS);
      if (next.asset_registry_id !== stored.document.asset_registry_id) {
        throw new ServiceError("invalid_request", "asset_registry_id is read-only.", {
          details: [{ path: "asset_registry_id", message: "is read-only" }],
        });
      }
      validate(entrySchema, next);
      await this.entries.replace(stored, next, done);
    });
    this.onChange();
  }

  /**
   * Takes an entry away.
   *
   * @throws {ServiceError} `not_found`
   */
  async remove(id: string, check: (etag: string) => void, once?: Once): Promise<void> {
    await this.#change(id, check, once, (stored, done) => {
      return this.entries.remove(stored, together(done, this.records.removal(stored.id)));
    });
  }

  /**
   * An entry with its health and the last checks of it, oldest first.
   *
   * @throws {ServiceError} `not_found`
   */
  async getWithHealth(id: string): Promise<{ entry: Entry; health: Health & { history: HealthCheck[] } }> {
    const stored = await this.#find(id);
    const entry = asEntry(stored.document);
    const recorded = await this.records.of(stored.id);
    const isKnown = recorded?.url === entry.asset_registry_public_url;
    const history = isKnown ? await this.records.history(stored.id) : [];
    return { entry, health: { ...healthOf(entry.asset_registry_public_url, recorded), history } };
  }

  /**
   * Asks the Assets DB of an entry how it is, and records the answer.
   *
   * @throws {ServiceError} `not_found`, `unhealthy`, `timeout`
   */
  async checkHealth(id: string): Promise<HealthReport> {
    const stored = await this.#find(id);
    const url = asEntry(stored.document).asset_registry_public_url;
    const outcome = await probeOutcome(url, { client: this.#options.client });
    try {
      await this.records.record(stored.id, url, outcome.check, { about: outcome.about });
    } catch (error) {
      log.warn("The health of {url} was not recorded: {error}", { url, error });
    }
    if ("failure" in outcome) throw outcome.failure;
    return outcome.report;
  }

  async #requireHealthy(url: string): Promise<void> {
    try {
      await probe(url, { client: this.#options.client });
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      throw new ServiceError("unhealthy", `Not registered (--require-healthy): ${error.message}`, {
        cause: error,
      });
    }
  }

  async #find(id: string): Promise<Stored> {
    const stored = await this.entries.find({ field: "asset_registry_id", value: id });
    if (!stored) throw notFound(id);
    return stored;
  }

  /** `change` commits with its change what it is given, so that a request with a key takes effect once. */
  async #change(
    id: string,
    check: (etag: string) => void,
    once: Once | undefined,
    change: (stored: Stored, done: Alongside) => Promise<unknown>,
  ): Promise<void> {
    await runOnce(this.#options.kv, once, (record) =>
      untilUndisturbed(async () => {
        const stored = await this.#find(id);
        check(etagOf(stored));
        await change(stored, await record({}));
        return {};
      }));
  }
}

function notFound(id: string): ServiceError {
  return new ServiceError("not_found", `There is no asset registry ${JSON.stringify(id)}.`);
}

function etagOf({ versionstamp }: { versionstamp: string }): string {
  return `"${versionstamp}"`;
}

/** The documents of the collection are those that `create` and `update` made. */
/** What no two entries may share. */
export function uniqueOf(document: JsonObject): UniqueValue[] {
  return [{ field: "asset_registry_id", value: asEntry(document).asset_registry_id }];
}

function asEntry(document: JsonObject): Entry {
  if (typeof document.asset_registry_id !== "string") throw new TypeError("Not a registry entry");
  return document as Entry;
}
