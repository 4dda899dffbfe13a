/** Uploads that go on where they were: tus 1.0.0 at `/uploads/`. */
import type { UploadMetadata } from "../assets/schema.ts";
import type { JsonObject } from "../collection/json.ts";
import { ClientError } from "./client_error.ts";
import type { Connection } from "./connection.ts";

/** A file to be uploaded. */
export interface NewUpload {
  sizeBytes: number;
  fileName: string;
  fileType?: string;
  /** What `POST /upload_asset` takes; a stated `asset_file_info.sha256` is verified by the server. */
  metadata: UploadMetadata | JsonObject;
}

/** The asset that a finished upload has become. */
export interface UploadedAsset {
  uri: string;
  id: string;
}

/** Where an upload stands. */
export interface UploadState {
  /** How many bytes the server has. */
  offset: number;
  /** There once it has all of them. */
  asset?: UploadedAsset;
}

const PROTOCOL = { "Tus-Resumable": "1.0.0" };

/** What a server may take at the end, when it reads the whole file once more: never faster than it can be stored. */
const FINISH_BYTES_PER_MS = 10_000;
const FINISH_BASE_MS = 120_000;

/** The resumable uploads of one Assets DB. An upload is known by its id. */
export class ResumableUploads {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Finds out, before a large file is read, whether the server is there and lets us upload.
   *
   * @throws {ClientError} `unreachable`, `unauthenticated`, `forbidden`, `route_not_found`, …
   */
  async check({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    try {
      // It needs the same right as an upload, and no upload has this id.
      await this.#connection.send(uploadPath("none"), { method: "DELETE", headers: PROTOCOL, signal });
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      if (error.code === "route_not_found") throw this.#noUploads(error.status);
      if (error.code !== "not_found") throw error;
    }
  }

  /**
   * Begins an upload. An empty file is an asset at once.
   *
   * @throws {ClientError} `already_exists`, `invalid_request`, `too_large`
   */
  async create(
    upload: NewUpload,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<UploadState & { id: string }> {
    const metadata: Record<string, string> = {
      filename: upload.fileName,
      ...(upload.fileType === undefined ? {} : { filetype: upload.fileType }),
      asset_metadata: JSON.stringify(upload.metadata),
    };
    const response = await this.#connection.send("/uploads/", {
      signal,
      method: "POST",
      headers: {
        ...PROTOCOL,
        "Upload-Length": String(upload.sizeBytes),
        "Upload-Metadata": Object.entries(metadata).map(([key, text]) => `${key} ${base64(text)}`).join(","),
      },
    });
    await response.body?.cancel();
    // The id alone: behind a proxy the server does not know under which URL it is reached.
    const id = /([^/]+)\/?$/.exec(response.headers.get("Location") ?? "")?.[1];
    if (response.status !== 201 || id === undefined) {
      throw this.#noUploads(response.status);
    }
    return { id, offset: 0, asset: assetOf(response.headers) };
  }

  /**
   * Where an upload stands.
   *
   * @throws {ClientError} `not_found`, also when it has expired
   */
  async state(id: string, { signal }: { signal?: AbortSignal } = {}): Promise<UploadState> {
    const { headers } = await this.#connection.send(uploadPath(id), {
      signal,
      method: "HEAD",
      headers: PROTOCOL,
    });
    return { offset: offsetOf(headers), asset: assetOf(headers) };
  }

  /**
   * Sends what comes at `offset`. The last bytes make the asset.
   *
   * @param body its size is sent in front, so that servers and proxies need not guess
   * @throws {ClientError} `offset_mismatch`, `locked`, `already_exists`, `checksum_mismatch`
   */
  async append(
    id: string,
    offset: number,
    body: Blob,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<UploadState> {
    const response = await this.#connection.send(uploadPath(id), {
      signal,
      method: "PATCH",
      headers: {
        ...PROTOCOL,
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": String(offset),
      },
      body,
      // As long as bytes flow it may take days; who reads the body watches it.
      timeoutMs: 0,
    });
    await response.body?.cancel();
    return { offset: offsetOf(response.headers), asset: assetOf(response.headers) };
  }

  /** Throws an upload away; the asset that it may have become stays. */
  async discard(id: string): Promise<void> {
    const response = await this.#connection.send(uploadPath(id), { method: "DELETE", headers: PROTOCOL });
    await response.body?.cancel();
  }

  #noUploads(status: number): ClientError {
    return new ClientError(`${this.#connection.server} takes no uploads at /uploads/.`, {
      status,
      code: "bad_answer",
    });
  }
}

/** How long the answer to the last byte may take, for a file of this size. */
export function finishTimeoutMs(sizeBytes: number): number {
  return Math.min(FINISH_BASE_MS + sizeBytes / FINISH_BYTES_PER_MS, 2 ** 31 - 1);
}

function uploadPath(id: string): string {
  return `/uploads/${encodeURIComponent(id)}`;
}

function base64(text: string): string {
  return new TextEncoder().encode(text).toBase64();
}

function offsetOf(headers: Headers): number {
  const text = headers.get("Upload-Offset") ?? "";
  if (/^\d+$/.test(text)) return Number(text);
  throw new ClientError("The server did not say where the upload stands.", {
    status: 200,
    code: "bad_answer",
  });
}

function assetOf(headers: Headers): UploadedAsset | undefined {
  const [uri, id] = [headers.get("Asset-Uri"), headers.get("Asset-Id")];
  return id === null ? undefined : { uri: decodeURIComponent(uri ?? ""), id: decodeURIComponent(id) };
}
