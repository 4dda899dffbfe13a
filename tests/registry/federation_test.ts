import { assertEquals, assertRejects } from "@std/assert";
import { compileFilter } from "../../src/collection/filter.ts";
import { asJsonObject } from "../../src/collection/json.ts";
import { ServiceError } from "../../src/errors.ts";
import { Federation } from "../../src/registry/federation.ts";
import { GuardedClient } from "../../src/registry/guarded_client.ts";
import { RegistryService } from "../../src/registry/service.ts";
import { listAt } from "../server/client.ts";
import { fakeAsset, ndjson, startFakeDb } from "../server/federation_fixture.ts";

/** A federation of so many Assets DBs, all at one URL. */
async function federationOf(count: number, url: string, options: { maxOpenSources?: number } = {}) {
  const folder = await Deno.makeTempDir({ prefix: "federation-test-" });
  const kv = await Deno.openKv(":memory:");
  const client = new GuardedClient({ noPrivateTargets: false });
  const viewPath = `${folder}/registry.view.sqlite`;
  const service = new RegistryService({ kv, client, requireHealthy: false, isShared: false, viewPath });
  await service.open(5000);
  await service.entries.insertMany(Array.from({ length: count }, (_, n) => ({
    id: `00000000-0000-7000-8000-${String(n).padStart(12, "0")}`,
    document: { asset_registry_id: `db-${n}`, asset_registry_name: `${n}`, asset_registry_public_url: url },
  })));
  const federation = new Federation({ service, client, timeoutMs: 500, tokens: new Map(), ...options });
  return {
    /** Begins a search of everything; nothing is asked before its documents are. */
    search: () =>
      federation.search({
        filter: compileFilter({}),
        options: { isCountOnly: false, explains: false, include: new Set() },
        signal: new AbortController().signal,
      }),
    async [Symbol.asyncDispose]() {
      await service.close();
      kv.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

Deno.test("Federation.search() asks 500 sources, and says of each further one that it was skipped", async () => {
  await using federation = await federationOf(502, "http://127.0.0.1:9");
  const sources = listAt((await federation.search()).trailer(), "sources");
  const skipped = sources.map(asJsonObject).filter(({ status }) => status === "skipped");
  assertEquals([sources.length, skipped.length], [502, 2]);
  for (const { error } of skipped) assertEquals(error, "A search asks 500 at most.");
});

Deno.test("Federation.search() is unavailable while all searches have as many sources open as they may, and not a moment longer", async () => {
  await using assetsDb = startFakeDb(() => ndjson([fakeAsset(1), fakeAsset(2)]));
  // Two searches of four have a place in ten, and a third has not.
  await using federation = await federationOf(4, assetsDb.url, { maxOpenSources: 10 });
  const begin = async () => {
    const documents = (await federation.search()).documents[Symbol.asyncIterator]();
    assertEquals((await documents.next()).done, false);
    return documents;
  };
  const [first, second] = [await begin(), await begin()];
  const error = await assertRejects(begin, ServiceError, "Too many searches");
  assertEquals(error.code, "unavailable");
  await first.return?.();
  const third = await begin();
  for (const one of [second, third]) await one.return?.();
});
