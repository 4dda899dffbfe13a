/**
 * Copies assets with their files from one server to another. The first may be one of AIOSv1's Python services, which has the
 * same routes: it gives all documents in one answer, knows no checksums, and says 0 for the size of a file.
 */
import { createHash } from "node:crypto";
import { type AssetsClient, readAsset } from "../../client/assets_client.ts";
import { ClientError } from "../../client/client_error.ts";
import type { OpenedObject } from "../../client/object_download.ts";
import type { Asset } from "../../assets/schema.ts";
import { asJsonObject, type JsonObject } from "../../collection/json.ts";
import type { ObjectStore } from "../../objects/object_store.ts";
import type { Progress, ProgressFile } from "./progress.ts";
import { Retries, StallGuard } from "./retry.ts";

/** What became of one asset. */
export interface CopiedAsset {
  /** The URI, or the name of one that has none. */
  name: string;
  status: "copied" | "skipped" | "failed";
  /** Its size in bytes, if it has a file that was copied. */
  sizeBytes?: number;
  /** In one sentence. */
  error?: string;
}

/** What a copy works with. */
export interface CopyContext {
  source: AssetsClient;
  target: AssetsClient;
  signal: AbortSignal;
  progress: Progress;
  /** Where the files of `source` lie, if it is not to be asked for them: under the keys that AIOSv1 gives them. */
  files?: Pick<ObjectStore, "head" | "get">;
}

/** Assets on their way at the same time. */
const PARALLEL_COPIES = 4;
const PAGE_ASSETS = 1000;

/**
 * Copies every asset that matches; what is there already is left alone, so that it can be repeated.
 *
 * @param onDone told what became of each
 * @throws {Error} when one of the servers is away or lets nobody in
 */
export async function copyAssets(
  context: CopyContext,
  filter: JsonObject,
  onDone: (copied: CopiedAsset) => Promise<void>,
): Promise<void> {
  const found = allAssets(context, filter);
  let fatal: unknown;
  const worker = async () => {
    for await (const asset of { [Symbol.asyncIterator]: () => ({ next: () => found.next() }) }) {
      if (fatal !== undefined) return;
      try {
        await onDone(await copyOne(context, asset));
      } catch (error) {
        fatal ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_COPIES }, worker));
  if (fatal !== undefined) throw fatal;
}

/** What is wrong with the server that is copied from, and what to do about it. */
function ofSource(error: unknown): unknown {
  if (!(error instanceof ClientError)) return error;
  const advice = error.status === 401 || error.status === 403
    ? "Give a token that it knows: --from-token or ASSETS_FROM_TOKEN."
    : "Does --from name an Assets DB?";
  return new Error(`${error.message} ${advice}`, { cause: error });
}

/** Page after page: a single long answer would stand still while large files are copied. */
async function* allAssets(
  { source, signal }: CopyContext,
  filter: JsonObject,
): AsyncGenerator<Asset, void, undefined> {
  let cursor: string | undefined;
  do {
    const page = await source.assets(filter, { limit: PAGE_ASSETS, cursor, signal }).catch((error) => {
      throw ofSource(error);
    });
    for (const document of page.data) yield readAsset(document);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}

async function copyOne(context: CopyContext, asset: Asset): Promise<CopiedAsset> {
  const name = asset.asset_uri || asset.asset_name;
  const retries = new Retries();
  while (true) {
    try {
      context.signal.throwIfAborted();
      if (await isThere(context, asset)) return { name, status: "skipped" };
      if (!hasFile(asset)) {
        await context.target.createAsset(describe(asset), context);
        return { name, status: "copied" };
      }
      return { name, status: "copied", sizeBytes: await copyFile(context, asset) };
    } catch (error) {
      if (!(error instanceof ClientError) || isFatal(error)) throw error;
      if (!error.isPassing) return { name, status: "failed", error: error.message };
      await retries.next(error, context.signal);
    }
  }
}

/** Whether every other asset would fail as well. */
function isFatal({ code, status }: ClientError): boolean {
  return status === 401 || status === 403 || code === "bad_answer" && status === 200;
}

/**
 * Whether an earlier copy brought it.
 *
 * @throws {ClientError} `already_exists` if another asset has its URI
 */
async function isThere({ target, signal }: CopyContext, asset: Asset): Promise<boolean> {
  const { asset_uri, asset_name, asset_id, asset_public_url } = asset;
  const same: JsonObject = asset_id !== "" ? { asset_id } : { asset_uri, asset_name, asset_public_url };
  if (await target.countAssets(same, { signal }) > 0) return true;
  if (asset_uri !== "" && await target.countAssets({ asset_uri }, { signal }) > 0) {
    throw new ClientError(`Another asset has the asset_uri ${JSON.stringify(asset_uri)}.`, {
      status: 409,
      code: "already_exists",
    });
  }
  return false;
}

/** Whether the file is in an Assets DB: its public URL is made by one, of its id. */
function hasFile({ asset_id, asset_public_url }: Asset): boolean {
  return asset_id !== "" && asset_public_url.endsWith(`/asset-object/${encodeURIComponent(asset_id)}`);
}

/** The asset for `POST /asset` and `POST /upload_asset`. */
function describe(asset: Asset, { isFileCopied = false } = {}): JsonObject {
  const { asset_name, asset_id, asset_version, asset_metadata, asset_public_url, asset_tags } = asset;
  const { file_size: _unsure, sha256, ...fileInfo } = asJsonObject(asset.asset_file_info);
  const checksum: JsonObject = typeof sha256 === "string" && /^[0-9a-f]{64}$/i.test(sha256) ? { sha256 } : {};
  return {
    asset_name,
    // The URL of a stored file is made of its id: a client that kept one only needs the new host.
    ...(asset_id === "" ? {} : { asset_id }),
    asset_version: asJsonObject(asset_version),
    asset_metadata: asJsonObject(asset_metadata),
    asset_file_info: isFileCopied ? { ...fileInfo, ...checksum } : asJsonObject(asset.asset_file_info),
    asset_tags,
    ...(isFileCopied ? {} : { asset_public_url }),
  };
}

/** Streams the file across. Returns its size in bytes. */
async function copyFile(context: CopyContext, asset: Asset): Promise<number> {
  const { target, signal, progress } = context;
  using guard = new StallGuard();
  const signals = AbortSignal.any([signal, guard.signal]);
  const opened = await openFile(context, asset, signals);
  const line = progress.file(asset.asset_name, opened.sizeBytes);
  const { file_name, file_type } = asJsonObject(asset.asset_file_info);
  const passing = new PassingFile(opened, line, guard);
  try {
    const { asset: made } = await target.uploadStream(
      {
        name: typeof file_name === "string" && file_name !== ""
          ? file_name
          : asset.asset_name.split("/").at(-1) || "file",
        type: typeof file_type === "string" && file_type !== "" ? file_type : "application/octet-stream",
        body: passing,
      },
      describe(asset, { isFileCopied: true }),
      { signal: signals },
    );
    passing.compare(made);
    return passing.bytes;
  } catch (error) {
    // The request fails with its body; the body knows why.
    throw passing.failure ?? error;
  } finally {
    line.end();
  }
}

/** By the server that has the document; one that shares its database may have the file. */
async function openFile(
  { source, files }: CopyContext,
  { asset_id, asset_public_url }: Asset,
  signal: AbortSignal,
): Promise<OpenedObject> {
  if (files) return await openObject(files, `asset/${asset_id}`, signal);
  try {
    return await source.object(asset_id, { signal });
  } catch (error) {
    const isRefused = error instanceof ClientError && error.status >= 404 && error.status !== 503;
    if (!isRefused || !/^https?:/.test(asset_public_url) || !URL.canParse(asset_public_url)) throw error;
    return await source.object(new URL(asset_public_url), { signal }).catch(() => {
      // The Python service says 500 of a file that is not there.
      const message = `Its file could not be had: ${error.message}`;
      throw new ClientError(message, { status: 404, code: "not_found" });
    });
  }
}

async function openObject(
  files: Pick<ObjectStore, "head" | "get">,
  key: string,
  signal: AbortSignal,
): Promise<OpenedObject> {
  const info = await files.head(key);
  if (!info) {
    const message = `Its file could not be had: there is no ${key} in the bucket.`;
    throw new ClientError(message, { status: 404, code: "not_found" });
  }
  return { body: await files.get(key, { signal }), start: 0, sizeBytes: info.sizeBytes };
}

/** A file while it passes from one server to the other. */
class PassingFile implements AsyncIterable<Uint8Array> {
  bytes = 0;
  /** Why it broke off. */
  failure: unknown;
  readonly #opened: OpenedObject;
  readonly #line: ProgressFile;
  readonly #guard: StallGuard;
  readonly #hash = createHash("sha256");

  constructor(opened: OpenedObject, line: ProgressFile, guard: StallGuard) {
    this.#opened = opened;
    this.#line = line;
    this.#guard = guard;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const { body, sizeBytes } = this.#opened;
    try {
      for await (const chunk of body) {
        this.bytes += chunk.length;
        this.#hash.update(chunk);
        this.#line.at(this.bytes);
        this.#guard.moved();
        yield chunk;
      }
      if (sizeBytes !== undefined && this.bytes !== sizeBytes) {
        const message = `Only ${this.bytes} of ${sizeBytes} bytes came.`;
        throw new ClientError(message, { status: 0, code: "unreachable" });
      }
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  /** Throws if what is stored is not what passed. */
  compare({ asset_file_info: { file_size, sha256 } }: Asset): void {
    if (file_size === this.bytes && sha256 === this.#hash.digest("hex")) return;
    throw new ClientError("What was stored is not what was sent.", {
      status: 500,
      code: "checksum_mismatch",
    });
  }
}
