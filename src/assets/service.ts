/** The use cases of an Assets DB: everything that can be done with an asset but the streaming of its file in (`upload.ts`). */
import { getLogger } from "@logtape/logtape";
import { v7 as uuidV7 } from "uuid";
import {
  Collection,
  type Seen,
  type ShownDocument,
  type Stored,
  untilUndisturbed,
} from "../collection/collection.ts";
import { type Once, runOnce, together } from "../collection/idempotency.ts";
import { asJsonObject, isJsonObject, type JsonObject } from "../collection/json.ts";
import type { UniqueValue } from "../collection/truth.ts";
import { ServiceError } from "../errors.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import { Journal } from "./journal.ts";
import { OngoingWork } from "./ongoing_work.ts";
import { Owners } from "./owners.ts";
import { type Asset, assetUri, type CreateBody, MAX_ASSET_BYTES, type StoredAsset } from "./schema.ts";
import { updateAsset } from "./update.ts";

const log = getLogger(["assets-server", "assets"]);

/** What an Assets DB works with. */
export interface AssetServiceOptions {
  kv: Deno.Kv;
  /** Whether other nodes work with the same KV. */
  isShared: boolean;
  /** Since when the KV has been there, in milliseconds since the epoch; `Infinity` while it is away. */
  kvUpSince?: () => number;
  store: ObjectStore;
  assetsDbId: string;
  /** The URL under which clients reach this server, without a slash at the end. Known once it listens. */
  publicUrl: () => string;
  /** Where the index of the assets is kept. */
  viewPath: string;
}

/** An asset as it was found. */
export interface FoundAsset {
  id: string;
  /** The asset as JSON. */
  text: string;
  /** A strong entity tag, quotes included; it changes whenever what clients see changes. */
  etag: string;
}

/** An asset that is not stored yet. */
export interface NewAsset {
  id: string;
  document: StoredAsset;
}

/** Where the file of an asset is. */
export type FileLocation =
  | { kind: "here"; objectKey: string; storedAt: Date; asset: Asset }
  | { kind: "elsewhere"; url: string };

/** Checks the precondition of a change against the entity tag it would change; throws if it does not hold. */
export type Precondition = (etag: string) => void;

/** A KV that answers has stored what it was given by then; groups of lines are given up after the same time. */
const CLOSE_WAIT_MS = 5000;

/** One Assets DB. */
export class AssetService {
  readonly assets: Collection;
  readonly journal: Journal;
  readonly options: AssetServiceOptions;
  /** What is being stored for clients that may have gone away meanwhile. */
  readonly storing = new OngoingWork();
  readonly #owners: Owners;

  constructor(options: AssetServiceOptions) {
    this.options = options;
    this.journal = new Journal(options);
    this.#owners = new Owners(options);
    this.assets = new Collection({
      kv: options.kv,
      name: "assets",
      uniqueOf,
      viewPath: options.viewPath,
      isShared: options.isShared,
      show: (document) => this.#show(document),
      liveField: "asset_public_url",
      bases: () => this.#owners.urls(),
      maxDocumentBytes: MAX_ASSET_BYTES,
    });
  }

  /**
   * Waits until assets can be read and searched, at most so long: a large index may have to be built.
   *
   * @throws {Error} if the index cannot be opened
   */
  async open(mostMs: number): Promise<void> {
    await this.#owners.load();
    await this.assets.view.ready(mostMs);
  }

  /** Tells the nodes that share the KV where this one is reached: now, or when the KV is there. */
  announce(): void {
    this.#owners.announce();
  }

  /** Ends what goes on in the background, once what is being stored has been, or the KV does not take it. */
  async close(): Promise<void> {
    await this.storing.ended(CLOSE_WAIT_MS);
    await this.#owners.close();
    await this.assets.close();
  }

  /**
   * Makes an asset whose file lives elsewhere, or that has none.
   *
   * @returns `{id, asset}`
   * @throws {ServiceError} `already_exists`, `too_large`
   */
  async create(body: CreateBody, once?: Once): Promise<JsonObject> {
    return await runOnce(this.options.kv, once, async (record) => {
      const { id, document } = this.newAsset(body);
      await this.checkFree(document);
      const outcome = { id, asset: this.#render(document) };
      await this.assets.insert(id, document, await record(outcome));
      return outcome;
    });
  }

  /**
   * The asset with this URI or id; at once, if the view has it.
   *
   * @throws {ServiceError} `not_found`
   */
  get(reference: string): FoundAsset | Promise<FoundAsset> {
    const toFound = (seen: Seen | undefined) => {
      if (!seen) throw notFound(reference);
      return { id: seen.id, text: seen.text, etag: this.#etag(seen.versionstamp, seen.server) };
    };
    const seen = this.assets.see({ field: "asset_uri", value: reference }, reference);
    return seen instanceof Promise ? seen.then(toFound) : toFound(seen);
  }

  /**
   * Changes an asset; see `updateAsset`.
   *
   * @returns `{asset}`
   * @throws {ServiceError} `not_found`, `invalid_request`, `already_exists`, `not_owner`, `too_large`
   */
  async update(
    reference: string,
    changes: JsonObject,
    check: Precondition,
    once?: Once,
  ): Promise<JsonObject> {
    return await runOnce(this.options.kv, once, (record) =>
      this.#change(reference, check, async (stored) => {
        const document = updateAsset(asStoredAsset(stored.document), this.#render(stored.document), changes);
        const outcome = { asset: this.#render(document) };
        await this.assets.replace(stored, document, await record(outcome));
        return outcome;
      }));
  }

  /**
   * Takes an asset away, and its file with it.
   *
   * @throws {ServiceError} `not_found`, `not_owner`
   */
  async remove(reference: string, check: Precondition, once?: Once): Promise<void> {
    await runOnce(this.options.kv, once, (record) =>
      this.#change(reference, check, async (stored) => {
        const object = asStoredAsset(stored.document)._object;
        const deletion = object ? this.journal.deletion(stored.id, object.key) : {};
        await this.assets.remove(stored, together(await record({}), deletion));
        if (object) await this.#deleteObject(stored.id, object.key);
        return {};
      }));
  }

  /**
   * Where the file of the asset with this asset id or id is.
   *
   * @throws {ServiceError} `not_found` if there is no such asset, or no file
   */
  async locate(assetId: string): Promise<FileLocation> {
    const seen = await this.assets.see(assetId, { field: "asset_id", value: assetId });
    if (!seen) {
      throw new ServiceError("not_found", `There is no asset with the id ${JSON.stringify(assetId)}.`);
    }
    const asset = asAsset(asJsonObject(JSON.parse(seen.text)));
    const { key, stored_at } = asJsonObject(JSON.parse(seen.hidden ?? "null"));
    if (typeof key === "string" && asset.assets_db_id === this.options.assetsDbId) {
      return { kind: "here", objectKey: key, storedAt: new Date(String(stored_at)), asset };
    }
    const url = asset.asset_public_url;
    if (url === "") {
      throw new ServiceError(
        "not_found",
        "This asset has no file: it was made without one and without a public URL.",
      );
    }
    return { kind: "elsewhere", url };
  }

  /** An asset to be stored whose file lives elsewhere, or that has none, under an id that nobody knows yet. */
  newAsset(body: CreateBody, id = uuidV7()): NewAsset {
    const url = body.asset_public_url ?? "";
    const assetId = body.asset_id || (url === "" ? id : "");
    const fileInfo = asJsonObject(body.asset_file_info);
    return { id, document: this.draft(body, { assetId, url, fileInfo, object: null }) };
  }

  /**
   * An asset to be stored, of what a client sent and what the server adds.
   *
   * @param facts `url` is of a file elsewhere, `object` of one here
   */
  draft(
    body: Pick<CreateBody, "asset_name" | "asset_version" | "asset_metadata" | "asset_tags">,
    facts: { assetId: string; url: string; fileInfo: JsonObject; object: StoredAsset["_object"] },
  ): StoredAsset {
    const version = { version: body.asset_version?.version ?? "", tag: body.asset_version?.tag ?? "" };
    return {
      asset_uri: assetUri(body.asset_name, version),
      asset_name: body.asset_name,
      asset_id: facts.assetId,
      assets_db_id: this.options.assetsDbId,
      asset_version: version,
      asset_metadata: body.asset_metadata ?? {},
      asset_public_url: facts.object ? `${this.options.publicUrl()}${objectPath(facts.assetId)}` : facts.url,
      asset_file_info: facts.fileInfo,
      asset_tags: body.asset_tags ?? [],
      _object: facts.object,
    };
  }

  /** Throws `already_exists` if the URI or the asset id is taken. The commit checks again; this one is in time to save an upload. */
  async checkFree(document: StoredAsset): Promise<void> {
    await this.assets.checkUnique(document);
    // The id of an asset names it as well, so nobody else may take it for an asset id.
    if (document.asset_id !== "" && await this.assets.get(document.asset_id)) {
      throw takenId(document.asset_id);
    }
  }

  /** What clients see of a stored asset: exactly the nine fields. A stored file's URL follows its owner's. */
  #show(document: JsonObject): ShownDocument {
    const { _object, ...asset } = asStoredAsset(document);
    if (!_object) return { document: asset };
    const { asset_id, assets_db_id: server, asset_public_url: url } = asset;
    const rest = objectPath(asset_id);
    if (url.endsWith(rest)) this.#owners.assume(server, url.slice(0, -rest.length));
    return { document: asset, hidden: _object, live: { field: "asset_public_url", server, rest } };
  }

  #render(document: JsonObject): Asset {
    return asAsset(this.assets.render(document));
  }

  /** Two assets never have the same versionstamp; a new public URL makes another answer of the same one. */
  #etag(versionstamp: string, server: string | undefined): string {
    return `"${versionstamp}${server === undefined ? "" : this.#owners.etagPart(server)}"`;
  }

  #etagOf({ versionstamp, document }: Stored): string {
    const asset = asStoredAsset(document);
    return this.#etag(versionstamp, asset._object ? asset.assets_db_id : undefined);
  }

  async #find(reference: string): Promise<Stored> {
    const stored = await this.assets.find({ field: "asset_uri", value: reference }) ??
      await this.assets.get(reference);
    if (!stored) throw notFound(reference);
    return stored;
  }

  #change<T>(reference: string, check: Precondition, change: (stored: Stored) => Promise<T>): Promise<T> {
    return untilUndisturbed(async () => {
      const stored = await this.#find(reference);
      await this.#checkOwner(asStoredAsset(stored.document));
      check(this.#etagOf(stored));
      return await change(stored);
    });
  }

  async #checkOwner(asset: StoredAsset): Promise<void> {
    if (asset.assets_db_id === this.options.assetsDbId) return;
    const owner = await this.#owners.urlOf(asset.assets_db_id);
    const where = owner === undefined ? `the Assets DB ${asset.assets_db_id}` : `the Assets DB at ${owner}`;
    throw new ServiceError("not_owner", `This asset belongs to ${where}; it can be changed there.`, {
      details: { assets_db_id: asset.assets_db_id, public_url: owner ?? null },
    });
  }

  async #deleteObject(id: string, objectKey: string): Promise<void> {
    try {
      await this.journal.finishDeletion(id, objectKey, this.options.store);
    } catch (error) {
      log.warn("The object {objectKey} is to be deleted, later: {error}", { objectKey, error });
    }
  }
}

/** What no two stored assets may share. */
export function uniqueOf(document: JsonObject): UniqueValue[] {
  const { asset_uri, asset_id } = asStoredAsset(document);
  const all = [{ field: "asset_uri", value: asset_uri }, { field: "asset_id", value: asset_id }];
  return all.filter(({ value }) => value !== "");
}

/** The documents of the collection are those that `draft` and `updateAsset` made. */
function asStoredAsset(document: JsonObject): StoredAsset {
  if (!isJsonObject(document.asset_version)) throw new TypeError("Not a stored asset");
  return document as StoredAsset;
}

function asAsset(document: JsonObject): Asset {
  if (!isJsonObject(document.asset_version)) throw new TypeError("Not an asset");
  return document as Asset;
}

function objectPath(assetId: string): string {
  return `/asset-object/${encodeURIComponent(assetId)}`;
}

/** The error of an `asset_id` that is the id of another asset. */
export function takenId(assetId: string): ServiceError {
  return new ServiceError("already_exists", `The asset_id ${JSON.stringify(assetId)} is taken.`, {
    details: [{ path: "asset_id", message: "is taken" }],
  });
}

function notFound(reference: string): ServiceError {
  return new ServiceError("not_found", `There is no asset ${JSON.stringify(reference)}.`);
}
