/** What clients do while a network fails beneath the server, what they may hear of it, and what has to be there afterwards. */
import { assert, assertEquals } from "@std/assert";
import { Journal } from "../../src/assets/journal.ts";
import { type Config, readConfig } from "../../src/cli/config.ts";
import type { SettingTexts } from "../../src/cli/settings.ts";
import { FileStore } from "../../src/objects/file_store.ts";
import { fsck } from "../maintenance/fixture.ts";
import { storeOf } from "../server/client.ts";
import { json, type TestServer, uploadForm } from "../server/harness.ts";
import { seededBytes } from "./seeded_bytes.ts";

const MIB = 2 ** 20;
const TUS = { "Tus-Resumable": "1.0.0" };

/** Beyond one part of a multipart upload. */
const LARGE_BYTES = 12 * MIB;
const FILE_BYTES = 9 * MIB;

/** How long the server may take to be well again, and the sweeper after a start. */
const RECOVERY_MS = 20_000;

const LATER_MS = 30 * 60_000;

/** Something that clients do; returns the status, or `broken` when a download broke off after its head. */
export type Deed = (name: string) => Promise<number | "broken">;

/** What one of them heard, and when. */
export interface Heard {
  outcome: number | "broken";
  ms: number;
}

/** Everything that clients do, by its name. */
export type Deeds = Record<
  | "upload"
  | "largeUpload"
  | "tus"
  | "create"
  | "bulk"
  | "download"
  | "range"
  | "update"
  | "remove"
  | "get"
  | "query",
  Deed
>;

/** Makes three assets with files, and the deeds on them; each fault has its own `round`. */
export async function deedsOn(server: TestServer, round: string): Promise<Deeds> {
  const files: string[] = [];
  for (const name of ["kept", "changed", "removed"]) {
    const body = uploadForm(seededBytes(3, 0, FILE_BYTES), { name: `${round}-${name}` });
    const response = await fetch(`${server.url}/upload_asset`, { method: "POST", body });
    const { asset_id, message } = await response.json();
    assertEquals(response.status, 201, message);
    files.push(String(asset_id));
  }
  const [kept = ""] = files;
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(server.url + path, init);
    try {
      const bytes = await response.bytes();
      const expected = response.headers.get("Content-Length");
      return expected === null || bytes.length === Number(expected) ? response.status : "broken";
    } catch {
      return "broken";
    }
  };
  const upload = (name: string, sizeBytes: number) =>
    ask("/upload_asset", { method: "POST", body: uploadForm(seededBytes(1, 0, sizeBytes), { name }) });
  const uri = (name: string) => `/asset/${round}-${name}:1.0-initial`;
  return {
    upload: (name) => upload(name, 1000),
    largeUpload: (name) => upload(name, LARGE_BYTES),
    tus: (name) => tus(server, name),
    create: (name) => ask("/asset", json("POST", { asset_name: name })),
    bulk: (name) =>
      ask("/assets/bulk", {
        method: "POST",
        body: `${JSON.stringify({ asset_name: name })}\n`,
        headers: { "Content-Type": "application/x-ndjson" },
      }),
    download: () => ask(`/asset-object/${kept}`),
    range: () => ask(`/asset-object/${kept}`, { headers: { Range: "bytes=5000000-5000099" } }),
    update: (name) => ask(uri("changed"), json("PUT", { asset_tags: [name] })),
    remove: () => ask(uri("removed"), { method: "DELETE" }),
    get: () => ask(uri("kept")),
    query: () => ask("/assets", json("POST", { asset_name: `${round}-kept` })),
  };
}

/** A resumable upload in two pieces; the status of what failed, or of the last piece. */
async function tus(server: TestServer, name: string): Promise<number> {
  const bytes = seededBytes(2, 0, FILE_BYTES);
  const text = JSON.stringify({ asset_name: name, asset_version: { version: "1.0", tag: "initial" } });
  const begun = await fetch(`${server.url}/uploads/`, {
    method: "POST",
    headers: {
      ...TUS,
      "Upload-Length": String(bytes.length),
      "Upload-Metadata": `filename Zg==,asset_metadata ${btoa(text)}`,
    },
  });
  await begun.body?.cancel();
  if (begun.status !== 201) return begun.status;
  const url = new URL(begun.headers.get("Location") ?? "", server.url);
  for (const [start, end] of [[0, 6 * MIB], [6 * MIB, bytes.length]] as const) {
    const headers = {
      ...TUS,
      "Upload-Offset": String(start),
      "Content-Type": "application/offset+octet-stream",
    };
    const response = await fetch(url, { method: "PATCH", headers, body: bytes.slice(start, end) });
    await response.body?.cancel();
    if (response.status !== 204) return response.status;
  }
  return 204;
}

/** Does all of it at once, or what `only` names. */
export async function doAll(
  deeds: Deeds,
  round: string,
  only?: readonly (keyof Deeds)[],
): Promise<Map<keyof Deeds, Heard>> {
  const heard = new Map<keyof Deeds, Heard>();
  await Promise.all(
    Object.entries(deeds).map(async ([name, deed]) => {
      if (!isDeed(name) || (only && !only.includes(name))) return;
      const startedAt = performance.now();
      const outcome = await deed(`${round}-${name}`);
      heard.set(name, { outcome, ms: performance.now() - startedAt });
    }),
  );
  return heard;

  function isDeed(name: string): name is keyof Deeds {
    return name in deeds;
  }
}

/** The server is well again by itself, and takes a large upload. */
export async function assertRecovers(
  server: TestServer,
  { largeUpload }: Deeds,
  round: string,
): Promise<void> {
  const deadline = Date.now() + RECOVERY_MS;
  for (;;) {
    const response = await fetch(`${server.url}/readyz`);
    const text = await response.text();
    if (response.status === 200) break;
    assert(Date.now() < deadline, text);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assertEquals(await largeUpload(`${round}-after`), 201);
}

/**
 * Everything that is there belongs together: no findings, and once the sweeper has been there, nothing unfinished.
 *
 * @param settings those that lead past the faults
 */
export async function assertNothingLeft(server: TestServer, settings: SettingTexts): Promise<void> {
  const direct = readConfig({ ...settings, dataDir: server.dataDir }, () => undefined);
  await server.restart();
  if (direct.isDbShared) await sweepLater(server, direct);
  const deadline = Date.now() + RECOVERY_MS;
  for (;;) {
    const { told, pending, uploads } = await fsck(direct, { readsFiles: true });
    assertEquals(told, []);
    if (pending === 0) {
      // A resumable upload that is open belongs to its client for seven days.
      const unfinished = await Array.fromAsync(
        (await storeOf({ ...server, config: direct })).listUnfinished(""),
      );
      assert(unfinished.length <= uploads, `${unfinished.length} unfinished writes, ${uploads} open uploads`);
      return;
    }
    assert(Date.now() < deadline, `${pending} entries of the journal are left`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Other nodes may still be at work on what a shared KV names, so it is swept after a quarter of an hour: as it will be then. */
async function sweepLater(server: TestServer, { db, assetsDbId = "" }: Config): Promise<void> {
  using kv = await Deno.openKv(db);
  const journal = new Journal({ kv, assetsDbId, isShared: true });
  await journal.sweep(new FileStore(`${server.dataDir}/objects`), { now: Date.now() + LATER_MS });
}

/** What each heard is one of these, and came in time. */
export function assertHeard(
  heard: ReadonlyMap<keyof Deeds, Heard>,
  allowed: (deed: keyof Deeds) => readonly Heard["outcome"][],
  mostMs: number,
): void {
  const said = JSON.stringify(Object.fromEntries(heard));
  for (const [deed, { outcome, ms }] of heard) {
    assert(allowed(deed).includes(outcome), `${deed} heard ${outcome}: ${said}`);
    assert(ms < mostMs, `${deed} took ${Math.round(ms)} ms: ${said}`);
  }
}

/** What each hears when all is well. */
export const WELL: Record<keyof Deeds, number> = {
  upload: 201,
  largeUpload: 201,
  tus: 204,
  create: 201,
  bulk: 200,
  download: 200,
  range: 206,
  update: 200,
  remove: 200,
  get: 200,
  query: 200,
};
