/** A registry with Assets DBs, real ones and fakes, for the tests of federated search. */
import { assertEquals } from "@std/assert";
import type { SettingTexts } from "../../src/cli/settings.ts";
import { asJsonObject, type Json, type JsonObject } from "../../src/collection/json.ts";
import { type Answer, assertStatus, at, created, listAt, send, textAt } from "./client.ts";
import { type FakeServer, startFake } from "./fake_server.ts";
import { json, startTestServer, type TestServer } from "./harness.ts";

/** Starts a registry that probes what is new at once and then no more. */
export function startRegistry(settings: SettingTexts = {}): Promise<TestServer> {
  return startTestServer({ mode: "registry", healthInterval: "1h", ...settings });
}

/** Registers Assets DBs under `db-0`, `db-1` and so on, and waits until each is known to be healthy. */
export async function federate(registry: TestServer, servers: { url: string }[]): Promise<void> {
  for (const [n, { url }] of servers.entries()) await register(registry, `db-${n}`, url);
  for (let tries = 0; tries < 1000; tries++) {
    const healthy = await send(registry, "/asset_registries?health=healthy&count=only", json("POST", {}));
    if (healthy.body.count === servers.length) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("Not all are healthy");
}

/** Registers one. */
export async function register(registry: TestServer, id: string, url: string): Promise<void> {
  const entry = {
    asset_registry_id: id,
    asset_registry_name: `Name of ${id}`,
    asset_registry_public_url: url,
  };
  assertStatus(await send(registry, "/asset_registry", json("POST", entry)), 201);
}

/** A federated search. */
export async function search(
  registry: { url: string },
  filter: unknown,
  query = "",
  headers: Record<string, string> = {},
): Promise<Answer> {
  return await send(registry, `/assets${query}`, json("POST", filter, headers));
}

/** The names of the assets of an answer. */
export function names({ body }: Answer): string[] {
  return listAt(body, "data").map((asset) => textAt(asset, "asset_name"));
}

/** The status of every source, by its id. */
export function statuses({ body }: Answer): Record<string, string> {
  return Object.fromEntries(
    listAt(body, "sources").map((source) => [textAt(source, "asset_registry_id"), textAt(source, "status")]),
  );
}

/** The source of this id in an answer. */
export function sourceOf({ body }: Answer, id: string): JsonObject {
  return asJsonObject(listAt(body, "sources").find((source) => at(source, "asset_registry_id") === id));
}

/** Every page of a search, put together; each but the last must be full. */
export async function allPages(
  registry: { url: string },
  filter: unknown,
  { limit, query = "" }: { limit: number; query?: string },
): Promise<Json[]> {
  const all: Json[] = [];
  let cursor = "";
  for (let pages = 0; pages < 500; pages++) {
    const more = cursor && `&cursor=${encodeURIComponent(cursor)}`;
    const { body } = assertStatus(await search(registry, filter, `?limit=${limit}${query}${more}`), 200);
    const page = listAt(body, "data");
    all.push(...page);
    if (body.next_cursor === null) return all;
    assertEquals(page.length, limit, "a page that is not the last one is not full");
    cursor = textAt(body, "next_cursor");
  }
  throw new Error("There is no end to the pages");
}

/**
 * The name under which one of several servers opens a KV that they share. In this process they share a file: that is refused
 * to servers that name it alike, so each has a link to it.
 *
 * @param folder of the file; it is there
 */
export async function sharedKv(folder: string, node: string): Promise<string> {
  await Deno.mkdir(`${folder}/${node}`);
  await Deno.symlink(`${folder}/shared.kv`, `${folder}/${node}/shared.kv`);
  return `${folder}/${node}/shared.kv`;
}

/** Makes an asset without a file. */
export async function add(server: TestServer, name: string, more: JsonObject = {}): Promise<string> {
  return (await created(server, { asset_name: name, ...more })).id;
}

/** A healthy fake whose `POST /assets` is given. */
export function startFakeDb(answer: (request: Request) => Response | Promise<Response>): FakeServer {
  return startFake((request) =>
    request.method === "GET"
      ? Response.json({ success: true, message: "healthy", assets_db_id: "fake", mode: "assets-db" })
      : answer(request)
  );
}

/** An answer in NDJSON. */
export function ndjson(documents: JsonObject[]): Response {
  const text = documents.map((document) => `${JSON.stringify(document)}\n`).join("");
  return new Response(text, { headers: { "Content-Type": "application/x-ndjson" } });
}

/** What makes an answer NDJSON. */
export const NDJSON = { headers: { "Content-Type": "application/x-ndjson" } };

/** The `n`th asset of a fake. */
export function fakeAsset(n: number, name = `fake-${n}`): JsonObject {
  const id = `00000000-0000-7000-8000-${String(n).padStart(12, "0")}`;
  return { id, asset_name: name, assets_db_id: "fake" };
}

/** A body that sends these texts, one every `pauseMs`, and then nothing more without an end. */
export function trickle(texts: Iterable<string>, pauseMs: number): Response {
  const encoder = new TextEncoder();
  const iterator = texts[Symbol.iterator]();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      return new Promise((resolve) => {
        timer = setTimeout(() => {
          const { value, done } = iterator.next();
          if (!done) controller.enqueue(encoder.encode(value));
          if (!done) resolve();
        }, pauseMs);
      });
    },
    cancel() {
      clearTimeout(timer);
    },
  });
  return new Response(body, NDJSON);
}

/** Answers when it is told to. */
export function hanging(released: Promise<void>): () => Promise<Response> {
  return async () => {
    await released;
    return ndjson([]);
  };
}
