/** Resumable uploads (tus 1.0.0), as much of it as the page needs. */
import { address, ApiError, authorization, type Json } from "./api.ts";

/** So much goes up in one request: progress moves with each, and a lost connection costs no more. */
const CHUNK_BYTES = 4 * 2 ** 20;

/** How often in a row a piece is tried again, longer apart each time. */
const RETRY_DELAYS_MS = [500, 1500, 4000, 8000];

/** Where the addresses of unfinished uploads are kept, so that they go on after a reload. */
const KEY_PREFIX = "assets-server-upload:";

/** What is to go up. */
export interface UploadTask {
  file: File;
  /** The JSON of `asset_metadata`. */
  metadata: Json;
  signal: AbortSignal;
  onProgress: (sentBytes: number) => void;
}

/**
 * Uploads a file; one that was begun before goes on where it was.
 *
 * @returns the URI or the id of the asset
 * @throws {ApiError} if the server refuses it, or stays away
 */
export async function upload({ file, metadata, signal, onProgress }: UploadTask): Promise<string> {
  const key = KEY_PREFIX + [file.name, file.size, file.lastModified, JSON.stringify(metadata)].join("|");
  const known = localStorage.getItem(key);
  let url = known ?? "";
  let at = known === null ? undefined : await offsetOf(known, signal);
  if (at === undefined) {
    const begun = await begin(file, metadata, signal);
    url = begun.url;
    at = begun.at;
    localStorage.setItem(key, url);
  }
  let failures = 0;
  while (typeof at === "number") {
    onProgress(at);
    try {
      at = await send(url, file, at, signal);
      failures = 0;
    } catch (error) {
      const delayMs = RETRY_DELAYS_MS[failures++];
      if (signal.aborted || delayMs === undefined || !isPassing(error)) {
        if (!isPassing(error)) localStorage.removeItem(key);
        throw error;
      }
      await wait(delayMs, signal);
      at = await offsetOf(url, signal).catch((fault) => isPassing(fault) ? at : undefined) ?? at;
    }
  }
  onProgress(file.size);
  localStorage.removeItem(key);
  return at.asset;
}

/** How far an upload is: an offset, or the asset that it became. */
type Progress = number | { asset: string };

async function begin(
  file: File,
  metadata: Json,
  signal: AbortSignal,
): Promise<{ url: string; at: Progress }> {
  const said = { filename: file.name, filetype: file.type, asset_metadata: JSON.stringify(metadata) };
  const response = await request(address("/uploads/"), {
    method: "POST",
    headers: {
      "Upload-Length": String(file.size),
      "Upload-Metadata": Object.entries(said).filter(([, value]) => value !== "")
        .map(([name, value]) => `${name} ${base64(value)}`).join(","),
    },
    signal,
  });
  const url = new URL(response.headers.get("Location") ?? "", address("/uploads/")).href;
  return { url, at: assetOf(response) ?? 0 };
}

/** `undefined` if the server knows it no longer. */
async function offsetOf(url: string, signal: AbortSignal): Promise<Progress | undefined> {
  try {
    const response = await request(url, { method: "HEAD", signal });
    return assetOf(response) ?? Number(response.headers.get("Upload-Offset") ?? 0);
  } catch (error) {
    if (error instanceof ApiError && [404, 410].includes(error.status)) return undefined;
    throw error;
  }
}

async function send(url: string, file: File, offset: number, signal: AbortSignal): Promise<Progress> {
  const piece = file.slice(offset, offset + CHUNK_BYTES);
  const response = await request(url, {
    method: "PATCH",
    headers: { "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" },
    body: piece,
    signal,
  });
  return assetOf(response) ?? Number(response.headers.get("Upload-Offset") ?? offset + piece.size);
}

function assetOf({ headers }: Response): { asset: string } | undefined {
  const uri = headers.get("Asset-Uri") || headers.get("Asset-Id");
  return uri ? { asset: decodeURIComponent(uri) } : undefined;
}

async function request(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    const headers = { "Tus-Resumable": "1.0.0", ...authorization(), ...Object(init.headers) };
    response = await fetch(url, { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError("The server does not answer.", 0);
  }
  if (response.ok) return response;
  const { message } = await response.json().catch(() => ({}));
  throw new ApiError(
    typeof message === "string" ? message : `The server answered ${response.status}.`,
    response.status,
  );
}

/** Whether it may work a moment later. */
function isPassing(error: unknown): boolean {
  return !(error instanceof ApiError) || [0, 409, 423, 429, 503, 504].includes(error.status);
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

function base64(value: string): string {
  return btoa(Array.from(new TextEncoder().encode(value), (byte) => String.fromCharCode(byte)).join(""));
}
