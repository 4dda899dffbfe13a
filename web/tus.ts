/** Resumable uploads (tus 1.0.0), as much of it as the page needs. A file is read piece by piece, never as a whole. */
import { address, ApiError, authorization, bodyOf, errorOf } from "./api.ts";
import type { JsonObject } from "./json.ts";
import {
  type ChosenFile,
  forgetUnfinished,
  keepUnfinished,
  keyOf,
  unfinishedOf,
  type UnfinishedUpload,
} from "./unfinished.ts";

/**
 * A piece goes up in one request: progress moves with each, and a lost connection costs no more. Its size follows the
 * connection.
 */
const PIECE_BYTES = { least: 2 ** 18, first: 2 ** 21, most: 2 ** 24 };

/** A piece that goes up faster is followed by a larger one, one that takes longer than the second by a smaller one. */
const PIECE_MS = { fast: 400, slow: 2000 };

/** How often in a row a piece is tried again, longer apart each time: a server may be restarted meanwhile. */
const RETRY_DELAYS_MS = [500, 1500, 4000, 8000, 15_000, 30_000, 30_000, 30_000];

/** The status of a piece whose checksum differs (tus, checksum extension). */
const CHECKSUM_MISMATCH = 460;

/** What is to go up. */
export interface UploadTask {
  chosen: ChosenFile;
  /** The JSON of `asset_metadata`. */
  metadata: JsonObject;
  signal: AbortSignal;
  onProgress: (sentBytes: number) => void;
  /** Called when a piece has failed and is going to be sent again. */
  onRetry: (problem: unknown) => void;
}

/** How far an upload is: an offset, or the asset that it became. */
type Progress = number | { asset: string };

/** An upload that the server knows of. */
interface Begun {
  kept: UnfinishedUpload;
  at: Progress;
}

/**
 * Uploads a file; one that was begun before with the same metadata goes on where it was.
 *
 * @returns the URI or the id of the asset
 * @throws {ApiError} if the server refuses it, or stays away
 */
export async function upload({ chosen, metadata, signal, onProgress, onRetry }: UploadTask): Promise<string> {
  const { file } = chosen;
  let { kept, at }: Begun = await continued(chosen, metadata, signal) ??
    await begun(chosen, metadata, signal);
  let size = PIECE_BYTES.first;
  let failures = 0;
  while (typeof at === "number") {
    const from = at;
    onProgress(from);
    keepUnfinished({ ...kept, sentBytes: from });
    try {
      const startedAt = performance.now();
      at = await send(kept.url, file.slice(from, from + size), from, signal);
      const tookMs = performance.now() - startedAt;
      if (tookMs < PIECE_MS.fast) size = Math.min(size * 2, PIECE_BYTES.most);
      else if (tookMs > PIECE_MS.slow) {
        size = Math.max(size / 2, PIECE_BYTES.least);
      }
      failures = 0;
    } catch (error) {
      if (signal.aborted) throw error;
      const delayMs = RETRY_DELAYS_MS[failures++];
      if (isFinal(error)) forgetUnfinished(kept.key);
      if (delayMs === undefined || !isPassing(error)) throw error;
      onRetry(error);
      await wait(delayMs, signal);
      const now = await offsetAfterFailure(kept.url, from, signal);
      if (now === undefined) {
        // Nothing is left of it: that piece was the last, and what it made was refused.
        forgetUnfinished(kept.key);
        throw error;
      }
      at = now;
    }
  }
  onProgress(file.size);
  forgetUnfinished(kept.key);
  return at.asset;
}

/** Ends an unfinished upload: the server forgets what it has of it. */
export async function discard({ key, url }: UnfinishedUpload): Promise<void> {
  forgetUnfinished(key);
  await request(url, { method: "DELETE" }).catch((error) => {
    if (!(error instanceof ApiError) || ![404, 410].includes(error.status)) {
      throw error;
    }
  });
}

async function continued(
  chosen: ChosenFile,
  metadata: JsonObject,
  signal: AbortSignal,
): Promise<Begun | undefined> {
  const kept = unfinishedOf(chosen);
  if (!kept) return undefined;
  if (JSON.stringify(kept.metadata) !== JSON.stringify(metadata)) {
    await discard(kept);
    return undefined;
  }
  const at = await offsetOf(kept.url, signal);
  return at === undefined ? undefined : { kept, at };
}

async function begun(
  { file, path }: ChosenFile,
  metadata: JsonObject,
  signal: AbortSignal,
): Promise<Begun> {
  const said = {
    filename: file.name,
    filetype: file.type,
    asset_metadata: JSON.stringify(metadata),
  };
  const response = await request(address("/uploads/"), {
    method: "POST",
    headers: {
      "Upload-Length": String(file.size),
      "Upload-Metadata": Object.entries(said).filter(([, value]) => value !== "")
        .map(([name, value]) => `${name} ${base64(new TextEncoder().encode(value))}`).join(","),
    },
    signal,
  });
  const url = new URL(response.headers.get("Location") ?? "", address("/uploads/")).href;
  const key = keyOf({ file, path });
  const kept = { key, path, sizeBytes: file.size, sentBytes: 0, url, metadata };
  return { kept, at: assetOf(response) ?? 0 };
}

/** `undefined` if the server knows it no longer. */
async function offsetOf(
  url: string,
  signal: AbortSignal,
): Promise<Progress | undefined> {
  try {
    const response = await request(url, { method: "HEAD", signal });
    return assetOf(response) ??
      Number(response.headers.get("Upload-Offset") ?? 0);
  } catch (error) {
    if (error instanceof ApiError && [404, 410].includes(error.status)) {
      return undefined;
    }
    throw error;
  }
}

/** The server knows best, `undefined` if it has forgotten the upload; if it does not answer, the next piece will tell. */
async function offsetAfterFailure(
  url: string,
  at: number,
  signal: AbortSignal,
): Promise<Progress | undefined> {
  try {
    return await offsetOf(url, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    return at;
  }
}

async function send(
  url: string,
  piece: Blob,
  offset: number,
  signal: AbortSignal,
): Promise<Progress> {
  const response = await request(url, {
    method: "PATCH",
    headers: {
      "Upload-Offset": String(offset),
      "Content-Type": "application/offset+octet-stream",
      ...await checksumOf(piece),
    },
    body: piece,
    signal,
  });
  return assetOf(response) ??
    Number(response.headers.get("Upload-Offset") ?? offset + piece.size);
}

/** Browsers compute digests on pages with HTTPS or of this machine alone (W3C Web Cryptography). */
async function checksumOf(piece: Blob): Promise<Record<string, string>> {
  if (!isSecureContext) return {};
  const digest = await crypto.subtle.digest(
    "SHA-256",
    await piece.arrayBuffer(),
  );
  return { "Upload-Checksum": `sha256 ${base64(new Uint8Array(digest))}` };
}

function assetOf({ headers }: Response): { asset: string } | undefined {
  const uri = headers.get("Asset-Uri") || headers.get("Asset-Id");
  return uri ? { asset: decodeURIComponent(uri) } : undefined;
}

async function request(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    const headers = {
      "Tus-Resumable": "1.0.0",
      ...authorization(),
      ...Object(init.headers),
    };
    response = await fetch(url, { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError("The server does not answer.", 0);
  }
  if (response.ok) return response;
  throw errorOf(response.status, await bodyOf(response));
}

/** Whether it may work a moment later. A URI that is taken is 409 too. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof ApiError)) return true;
  if (error.status === 409) return error.code !== "already_exists";
  return [0, 423, 429, CHECKSUM_MISMATCH, 500, 502, 503, 504].includes(
    error.status,
  );
}

/** Whether the upload is lost: not for want of a token, or of room on the server's disk. */
function isFinal(error: unknown): boolean {
  return error instanceof ApiError && !isPassing(error) &&
    ![401, 403, 507].includes(error.status);
}

function wait(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, delayMs);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
