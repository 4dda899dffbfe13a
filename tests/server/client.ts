/** What the tests of a whole server ask it with, and what they hold every answer to. */
import { assert, assertEquals, AssertionError } from "@std/assert";
import { asJsonObject, type Json, type JsonObject } from "../../src/collection/json.ts";
import { FileStore } from "../../src/objects/file_store.ts";
import type { ObjectStore } from "../../src/objects/object_store.ts";
import { assertDescribed } from "./described.ts";
import { json, type TestServer, uploadForm, type UploadInput } from "./harness.ts";

/** Starts a server of the kind that a suite is run against. */
export type Start = typeof import("./harness.ts").startTestServer;

/** What an object store is known to lack; see `s3rver.ts`. */
export interface StoreGaps {
  /** It can't list unfinished writes. */
  lacksUnfinished?: boolean;
  /** It gives the whole object for the range 0-0. */
  lacksFirstByteRange?: boolean;
}

/** An answer, read to its end. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The body, or an empty object if it is not a JSON object. */
  body: JsonObject;
}

/** The nine fields of an asset, sorted. */
export const ASSET_FIELDS = [
  "asset_file_info",
  "asset_id",
  "asset_metadata",
  "asset_name",
  "asset_public_url",
  "asset_tags",
  "asset_uri",
  "asset_version",
  "assets_db_id",
];

/** Sends a request; redirects are answers too. The answer is held to the description of the API. */
export async function send(
  server: { url: string; config?: Pick<TestServer["config"], "mode"> },
  path: string,
  init: RequestInit = {},
): Promise<Answer> {
  const response = await fetch(server.url + path, { redirect: "manual", ...init });
  const { status, headers } = response;
  const text = await response.text();
  assertDescribed(server.config?.mode, init.method ?? "GET", path, { status, headers, text });
  return { status, headers, text, body: jsonOf(text) };
}

function jsonOf(text: string): JsonObject {
  try {
    return asJsonObject(JSON.parse(text));
  } catch {
    return {};
  }
}

/** The value at a dotted path, `undefined` if there is none. */
export function at(value: Json | undefined, path: string): Json | undefined {
  let here = value;
  for (const key of path.split(".")) {
    if (typeof here !== "object" || here === null) return undefined;
    if (Array.isArray(here)) here = here[Number(key)];
    else here = Object.hasOwn(here, key) ? here[key] : undefined;
  }
  return here;
}

/** The text at a dotted path. */
export function textAt(value: Json | undefined, path: string): string {
  const found = at(value, path);
  if (typeof found !== "string") throw new AssertionError(`${path} is no text but ${JSON.stringify(found)}`);
  return found;
}

/** The list at a dotted path. */
export function listAt(value: Json | undefined, path: string): Json[] {
  const found = at(value, path);
  if (!Array.isArray(found)) throw new AssertionError(`${path} is no list but ${JSON.stringify(found)}`);
  return found;
}

/** The keys of an object, sorted. */
export function keysOf(value: Json | undefined): string[] {
  return Object.keys(asJsonObject(value)).sort();
}

/** `value` as an asset: an object with exactly the nine fields. */
export function assertAsset(value: Json | undefined): JsonObject {
  assertEquals(keysOf(value), ASSET_FIELDS);
  return asJsonObject(value);
}

/** An answer with this status; the body is shown when it has another. */
export function assertStatus(answer: Answer, status: number): Answer {
  assertEquals(answer.status, status, answer.text.slice(0, 500));
  return answer;
}

/** The error envelope of section 2, with this status and code. */
export function assertError(answer: Answer, status: number, code: string | string[]): Answer {
  assertStatus(answer, status);
  const codes = Array.isArray(code) ? code : [code];
  assert(codes.includes(textAt(answer.body, "code")), `code ${answer.text}, expected ${codes.join(" or ")}`);
  const expected = ["code", "error", "message", "success"];
  assertEquals(keysOf(answer.body).filter((key) => key !== "details"), expected);
  assertEquals(at(answer.body, "success"), false);
  assertEquals(at(answer.body, "error"), at(answer.body, "message"));
  assert(/^\S.*[.!?]$/s.test(textAt(answer.body, "error")), `no sentence: ${answer.text}`);
  assert(!/\.ts\b|\n\s+at /.test(answer.text), `a stack trace: ${answer.text}`);
  assert(/^application\/json\b/.test(answer.headers.get("Content-Type") ?? ""), "no JSON");
  assert((answer.headers.get("X-Request-Id") ?? "") !== "", "no X-Request-Id");
  return answer;
}

/** The paths that `details` name, sorted. */
export function detailPaths(answer: Answer): string[] {
  return listAt(answer.body, "details").map((detail) => {
    assert(textAt(detail, "message") !== "");
    return textAt(detail, "path");
  }).sort();
}

/** The path of an asset, encoded. */
export function assetPath(uri: string): string {
  return `/asset/${encodeURIComponent(uri)}`;
}

/** Reads an asset by its URI or id. */
export async function getAsset(server: TestServer, uri: string): Promise<Answer> {
  return await send(server, assetPath(uri));
}

/** `PUT /asset/<uri>` */
export async function putAsset(
  server: TestServer,
  uri: string,
  changes: unknown,
  headers?: Record<string, string>,
): Promise<Answer> {
  return await send(server, assetPath(uri), json("PUT", changes, headers));
}

/** `DELETE /asset/<uri>` */
export async function deleteAsset(
  server: TestServer,
  uri: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return await send(server, assetPath(uri), { method: "DELETE", headers });
}

/** `POST /asset` */
export async function postAsset(
  server: TestServer,
  body: unknown,
  headers?: Record<string, string>,
): Promise<Answer> {
  return await send(server, "/asset", json("POST", body, headers));
}

/** `POST /asset` that must succeed; the id, the URI and the asset. */
export async function created(server: TestServer, body: unknown) {
  const answer = assertStatus(await postAsset(server, body), 201);
  return {
    id: textAt(answer.body, "data.id"),
    uri: textAt(answer.body, "data.asset_uri"),
    asset: assertAsset(at(answer.body, "data.asset")),
  };
}

/** `POST /upload_asset` by the usual form. */
export async function upload(
  server: TestServer,
  bytes: Uint8Array<ArrayBuffer> | string,
  input?: UploadInput,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return await send(server, "/upload_asset", { method: "POST", body: uploadForm(bytes, input), headers });
}

/** An upload that must succeed; the id, the URI and the asset. */
export async function uploaded(
  server: TestServer,
  bytes: Uint8Array<ArrayBuffer> | string,
  input?: UploadInput,
) {
  const answer = assertStatus(await upload(server, bytes, input), 201);
  return {
    id: textAt(answer.body, "asset_id"),
    uri: textAt(answer.body, "asset_uri"),
    asset: assertAsset(at(answer.body, "data")),
  };
}

/** `POST /assets` */
export async function query(
  server: TestServer,
  filter: unknown,
  search = "",
  headers?: Record<string, string>,
): Promise<Answer> {
  return await send(server, `/assets${search}`, json("POST", filter, headers));
}

/** The names of the assets that match, in the order of the answer. */
export async function namesOf(server: TestServer, filter: unknown, search = ""): Promise<string[]> {
  const answer = assertStatus(await query(server, filter, search), 200);
  return listAt(answer.body, "data").map((asset) => textAt(asset, "asset_name"));
}

/** The object store that the server stands on, opened beside it. */
export async function storeOf(
  { config, dataDir }: TestServer,
): Promise<Pick<ObjectStore, "list" | "listUnfinished">> {
  if (!config.s3) return new FileStore(`${dataDir}/objects`);
  const { S3Store } = await import("../../src/objects/s3_store.ts");
  return new S3Store(config.s3);
}

/** The keys of all stored objects. */
export async function objectKeys(server: TestServer): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of (await storeOf(server)).list("")) keys.push(key);
  return keys.sort();
}

/** Whatever lies in the store: objects, temporary files, open multipart uploads. */
async function inStore(server: TestServer, gaps: StoreGaps): Promise<string[]> {
  if (!server.config.s3) return await filesBelow(`${server.dataDir}/objects`);
  const found = await objectKeys(server);
  if (gaps.lacksUnfinished) return found;
  for await (const { key, writeId } of (await storeOf(server)).listUnfinished("")) {
    found.push(`${key} ${writeId}`);
  }
  return found;
}

/** Every file below a folder; none if it is not there, or goes away meanwhile. */
export async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      found.push(...isDirectory ? await filesBelow(`${folder}/${name}`) : [`${folder}/${name}`]);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

/**
 * Fails unless exactly this many documents and things in the store are there; waits for a clean-up that a broken connection
 * sets off.
 */
export async function assertLeft(server: TestServer, count: number, gaps: StoreGaps = {}): Promise<void> {
  let documents = -1;
  let stored: string[] = [];
  for (let tries = 0; tries < 200; tries++) {
    documents = listAt((await query(server, {})).body, "data").length;
    stored = await inStore(server, gaps);
    if (documents === count && stored.length === count) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assertEquals({ documents, stored: stored.length }, { documents: count, stored: count }, stored.join("\n"));
}

/** The file name of a Content-Disposition (RFC 6266 §4.3); `attachment` is required. */
export function dispositionName(header: string): string | undefined {
  assert(/^attachment;/.test(header), header);
  const extended = /filename\*=UTF-8''([^;\s]+)/i.exec(header)?.[1];
  if (extended !== undefined) return decodeURIComponent(extended);
  const plain = /filename=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/.exec(header);
  return plain?.[1]?.replace(/\\(.)/g, "$1") ?? plain?.[2];
}
