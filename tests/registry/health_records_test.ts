import { assert, assertEquals } from "@std/assert";
import { GuardedClient } from "../../src/registry/guarded_client.ts";
import { HealthRecords } from "../../src/registry/health_records.ts";
import { RegistryService } from "../../src/registry/service.ts";
import { present } from "../present.ts";

/** A KV whose lists wait while `gate` is closed, as those of a KV across a network do that is away. */
function withGate(kv: Deno.Kv, gate: { opened: Promise<void> }): Deno.Kv {
  return new Proxy(kv, {
    get(target, name) {
      if (name === "list") {
        return async function* (...args: Parameters<Deno.Kv["list"]>) {
          await gate.opened;
          yield* target.list(...args);
        };
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

Deno.test("HealthRecords.all() gives what it knew last while the KV does not answer, and what is so once it does", async () => {
  const folder = await Deno.makeTempDir({ prefix: "health-records-test-" });
  const kv = await Deno.openKv(":memory:");
  const service = new RegistryService({
    kv,
    isShared: false,
    viewPath: `${folder}/view`,
    requireHealthy: false,
    client: new GuardedClient({ noPrivateTargets: false }),
  });
  await service.open(5000);
  const { entries } = service;
  const gate = { opened: Promise.resolve() };
  const records = new HealthRecords(withGate(kv, gate), entries);
  const url = "http://db.example";
  const id = "00000000-0000-7000-8000-000000000001";
  await entries.insert(id, {
    asset_registry_id: "e",
    asset_registry_name: "N",
    asset_registry_public_url: url,
  });
  const check = { status: "healthy" as const, checked_at: new Date().toISOString(), latency_ms: 1 };
  assert(await service.records.record(id, url, check));
  assertEquals((await records.all()).get(id)?.health.status, "healthy");
  const { promise, resolve } = Promise.withResolvers<void>();
  gate.opened = promise;
  assert(await service.records.record(id, url, { ...check, status: "unhealthy" }));
  const startedAt = performance.now();
  assertEquals((await records.all()).get(id)?.health.status, "healthy");
  assert(performance.now() - startedAt < 2000);
  // Whoever asks now need not wait again.
  assertEquals((await records.all()).get(id)?.health.status, "healthy");
  resolve();
  for (let tries = 0; tries < 200; tries++) {
    if (present((await records.all()).get(id)).health.status === "unhealthy") break;
    await new Promise((done) => setTimeout(done, 20));
  }
  assertEquals(present((await records.all()).get(id)).health.status, "unhealthy");
  await service.close();
  kv.close();
  await Deno.remove(folder, { recursive: true });
});
