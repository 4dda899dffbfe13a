/** Uploads one file, on from where an earlier process or a lost connection left it. */
import type { AssetsClient } from "../../client/assets_client.ts";
import { ClientError } from "../../client/client_error.ts";
import { finishTimeoutMs, type UploadedAsset, type UploadState } from "../../client/resumable_uploads.ts";
import type { JsonObject } from "../../collection/json.ts";
import { FilePart, hashOfFile } from "./file_part.ts";
import type { ProgressFile } from "./progress.ts";
import type { PlannedFile } from "./push_plan.ts";
import { Retries, StallGuard } from "./retry.ts";
import { SavedStates } from "./saved_state.ts";

/** What an upload works with. */
export interface PushContext {
  client: AssetsClient;
  states: SavedStates;
  /** The largest body of one request, in bytes. */
  pieceBytes: number;
  signal: AbortSignal;
}

/** What became of a file. */
export interface PushResult extends UploadedAsset {
  status: "uploaded" | "unchanged";
  sha256: string;
  /** How many bytes an earlier try had brought. */
  resumedAt: number;
}

/** An upload that has begun. */
interface BegunUpload extends UploadState {
  uploadId: string;
}

/** Uploads one file. */
export class FilePush {
  readonly #file: PlannedFile;
  readonly #context: PushContext;
  readonly #progress: ProgressFile;
  readonly #key: string;
  /** How many bytes were sent; the server may have a little less. */
  sentBytes = 0;
  /** How many bytes the server has, as far as it said so. */
  #offset = 0;

  constructor(file: PlannedFile, context: PushContext, progress: ProgressFile) {
    this.#file = file;
    this.#context = context;
    this.#progress = progress;
    this.#key = SavedStates.keyOf([
      context.client.server,
      file.path,
      file.sizeBytes,
      file.modifiedMs,
      file.fileType ?? null,
      file.metadata,
    ]);
  }

  /**
   * Uploads it. Whatever is interrupted goes on from there the next time.
   *
   * @throws {ClientError} what the server refuses; `already_exists` if another file has that URI
   */
  async run(): Promise<PushResult> {
    const saved = await this.#context.states.read(this.#key);
    const sha256 = typeof saved?.sha256 === "string" ? saved.sha256 : await this.#checksum();
    const known = typeof saved?.uploadId === "string" ? saved.uploadId : undefined;
    try {
      const begun = (known === undefined ? undefined : await this.#find(known)) ?? await this.#begin(sha256);
      const resumedAt = begun.offset;
      const asset = begun.asset ?? await this.#sendRest(begun);
      await this.#context.states.remove(this.#key);
      return { ...asset, status: "uploaded", sha256, resumedAt };
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      // Refused for good: the server keeps nothing of such an upload.
      if (!error.isPassing && error.status !== 401 && error.status !== 403) {
        await this.#context.states.remove(this.#key);
      }
      if (error.code === "already_exists") return await this.#unchanged(sha256, error);
      throw error.code === "checksum_mismatch" ? this.#hasChanged(error) : error;
    }
  }

  async #checksum(): Promise<string> {
    const { path, sizeBytes } = this.#file;
    this.#progress.phase("checking");
    const onBytes = (bytes: number) => this.#progress.at(bytes);
    const hash = await hashOfFile(path, sizeBytes, { onBytes, signal: this.#context.signal });
    this.#progress.phase("");
    return hash.digest("hex");
  }

  /** An upload that an earlier process began; `undefined` if the server has it no more. */
  async #find(uploadId: string): Promise<BegunUpload | undefined> {
    try {
      const state = await this.#retried(() => this.#context.client.uploads.state(uploadId, this.#context));
      return { uploadId, ...state };
    } catch (error) {
      if (error instanceof ClientError && error.code === "not_found") return undefined;
      throw error;
    }
  }

  async #begin(sha256: string): Promise<BegunUpload> {
    const { sizeBytes, fileName, fileType, metadata } = this.#file;
    const stated: JsonObject = { ...metadata, asset_file_info: { sha256, file_size: sizeBytes } };
    const upload = { sizeBytes, fileName, fileType, metadata: stated };
    const { id, ...state } = await this.#context.client.uploads.create(upload, this.#context);
    await this.#context.states.write(this.#key, { sha256, uploadId: id, path: this.#file.path });
    return { uploadId: id, ...state };
  }

  /** Sends what the server lacks, as often as the connection breaks. */
  async #sendRest({ uploadId, offset }: BegunUpload): Promise<UploadedAsset> {
    // Another process may be at the same upload, or an answer was lost: the server knows where it stands.
    const retries = new Retries(["offset_mismatch"]);
    this.#stands(offset);
    while (true) {
      try {
        const { asset, offset: reached } = await this.#sendPiece(uploadId);
        retries.progressed();
        this.#stands(reached);
        if (asset) return asset;
      } catch (error) {
        const before = this.#offset;
        await retries.next(error, this.#context.signal);
        this.#progress.phase("reconnecting");
        const state = await this.#standing(uploadId, retries);
        this.#progress.phase("");
        this.#stands(state.offset);
        if (state.asset) return state.asset;
        if (state.offset > before) retries.progressed();
      }
    }
  }

  async #sendPiece(uploadId: string): Promise<UploadState> {
    const { client, pieceBytes, signal } = this.#context;
    const { path, sizeBytes } = this.#file;
    using guard = new StallGuard();
    const start = this.#offset;
    const length = Math.min(pieceBytes, sizeBytes - start);
    const onBytes = (bytes: number) => {
      this.#sent(start + bytes);
      // The whole file may be read once more before the last piece is answered.
      guard.moved(bytes === length ? finishTimeoutMs(sizeBytes) : undefined);
    };
    const body = new FilePart(path, start, length, { onBytes });
    try {
      return await client.uploads.append(uploadId, start, body, {
        signal: AbortSignal.any([signal, guard.signal]),
      });
    } catch (error) {
      if (!signal.aborted) await this.#checkUnchanged();
      throw error;
    }
  }

  /** Asks where the upload stands, for as long as the connection is away. */
  async #standing(uploadId: string, retries: Retries): Promise<UploadState> {
    while (true) {
      try {
        return await this.#context.client.uploads.state(uploadId, this.#context);
      } catch (error) {
        await retries.next(error, this.#context.signal);
      }
    }
  }

  async #retried<T>(work: () => Promise<T>): Promise<T> {
    const retries = new Retries();
    while (true) {
      try {
        return await work();
      } catch (error) {
        // A server that was never there is not waited for.
        if (!(error instanceof ClientError) || error.code === "unreachable") throw error;
        await retries.next(error, this.#context.signal);
      }
    }
  }

  #stands(offset: number): void {
    this.#offset = offset;
    this.#sent(offset);
  }

  #sent(bytes: number): void {
    this.sentBytes = bytes;
    this.#progress.at(bytes);
  }

  /** The URI is taken: by this very file, or by another one. */
  async #unchanged(sha256: string, error: ClientError): Promise<PushResult> {
    const { client, signal } = this.#context;
    const { uri } = this.#file;
    const { asset } = await client.asset(uri, { signal });
    if (asset.asset_file_info.sha256 !== sha256) throw error;
    return { uri, id: asset.asset_id, status: "unchanged", sha256, resumedAt: 0 };
  }

  async #checkUnchanged(): Promise<void> {
    const { path, sizeBytes, modifiedMs } = this.#file;
    const { size, mtime } = await Deno.stat(path);
    if (size !== sizeBytes || (mtime?.getTime() ?? 0) !== modifiedMs) throw this.#hasChanged();
  }

  #hasChanged(cause?: unknown): Error {
    return new Error(`${this.#file.path} has changed while it was uploaded; push it again.`, { cause });
  }
}
