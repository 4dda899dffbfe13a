/**
 * The uploads that were begun in this browser and are not finished: where each is to be continued, so that the same file,
 * chosen again after a reload or a crash, goes on where it was. A page can't keep the file itself.
 */
import { SERVER } from "./api.ts";
import { isObject, type Json, type JsonObject, object, text } from "./json.ts";

/** Several servers may stand behind one host. */
const KEY_PREFIX = `assets-server-upload:${SERVER.pathname}:`;

/** The server forgets an upload a week after its last piece. */
const MAX_AGE_MS = 8 * 24 * 3600 * 1000;

/** A file, and where it lay in what was dropped. */
export interface ChosenFile {
  file: File;
  /** Its name, in a dropped folder with the folders in front. */
  path: string;
}

/** An upload that was begun. */
export interface UnfinishedUpload {
  /** What the file is recognized by. */
  key: string;
  path: string;
  sizeBytes: number;
  /** How much of it the server is known to have. */
  sentBytes: number;
  url: string;
  metadata: JsonObject;
}

/** What a file is recognized by: its name, its size and when it was changed. */
export function keyOf({ file, path }: ChosenFile): string {
  return KEY_PREFIX + [path, file.size, file.lastModified].join("|");
}

/** The upload of this file that was begun before. */
export function unfinishedOf(chosen: ChosenFile): UnfinishedUpload | undefined {
  return read(keyOf(chosen));
}

/** All that were begun, but what the server has forgotten by now. */
export function unfinishedUploads(): UnfinishedUpload[] {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(KEY_PREFIX)).sort();
  return keys.flatMap((key) => read(key) ?? []);
}

/** Keeps where an upload is. */
export function keepUnfinished({ key, ...upload }: UnfinishedUpload): void {
  try {
    localStorage.setItem(
      key,
      JSON.stringify({ ...upload, keptAt: Date.now() }),
    );
  } catch {
    // A browser that keeps nothing costs the continuation after a reload, not the upload.
  }
}

/** Forgets an upload. */
export function forgetUnfinished(key: string): void {
  localStorage.removeItem(key);
}

function read(key: string): UnfinishedUpload | undefined {
  const kept = parsed(localStorage.getItem(key));
  if (!isObject(kept)) return undefined;
  if (Date.now() - Number(kept.keptAt) > MAX_AGE_MS) {
    forgetUnfinished(key);
    return undefined;
  }
  return {
    key,
    path: text(kept.path),
    sizeBytes: Number(kept.sizeBytes),
    sentBytes: Number(kept.sentBytes),
    url: text(kept.url),
    metadata: object(kept.metadata),
  };
}

function parsed(kept: string | null): Json | undefined {
  try {
    return kept === null ? undefined : JSON.parse(kept);
  } catch {
    return undefined;
  }
}
