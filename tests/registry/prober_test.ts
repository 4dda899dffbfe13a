import { assert, assertEquals } from "@std/assert";
import { patient } from "../../src/kv/patient_kv.ts";
import { GuardedClient } from "../../src/registry/guarded_client.ts";
import type { ProbeOutcome } from "../../src/registry/health.ts";
import type { RecordedHealth } from "../../src/registry/health_records.ts";
import { Prober, type ProberOptions } from "../../src/registry/prober.ts";
import { RegistryService } from "../../src/registry/service.ts";
import { ServiceError } from "../../src/errors.ts";
import { present } from "../present.ts";

const client = new GuardedClient({ noPrivateTargets: false });

/** A registry's node with a KV handle of its own, opened as a server does, whose probes go to `probe`. */
async function openNode(path: string, more: Partial<ProberOptions> & Pick<ProberOptions, "probe">) {
  const kv = patient(await Deno.openKv(path));
  const folder = await Deno.makeTempDir({ prefix: "prober-test-" });
  const viewPath = `${folder}/registry.view.sqlite`;
  const service = new RegistryService({ kv, isShared: true, viewPath, requireHealthy: false, client });
  await service.open(5000);
  const { entries, records } = service;
  const prober = new Prober({ kv, entries, records, intervalMs: 50, ...more });
  const close = async () => {
    await service.close();
    kv.close();
    await Deno.remove(folder, { recursive: true });
  };
  return { kv, close, service, prober, records };
}

async function withFile(run: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "prober-test-" });
  try {
    await run(`${folder}/registry.kv`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function healthy(): ProbeOutcome {
  const health = { status: "healthy" as const, latency_ms: 1, checked_at: new Date().toISOString() };
  return { check: health, about: { assetsDbId: "db", mode: "assets-db" }, report: { said: {}, health } };
}

function unhealthy(error = "It is broken."): ProbeOutcome {
  const check = { status: "unhealthy" as const, latency_ms: 1, checked_at: new Date().toISOString(), error };
  return { check, failure: new ServiceError("unhealthy", error) };
}

async function register(service: RegistryService, count: number, first = 0): Promise<void> {
  for (let n = first; n < first + count; n++) {
    const asset_registry_public_url = `http://db-${n}.example`;
    await service.create({ asset_registry_id: `e${n}`, asset_registry_name: "N", asset_registry_public_url });
  }
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!await condition()) {
    assert(performance.now() < deadline, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function single(
  records: { all(): Promise<ReadonlyMap<string, RecordedHealth>> },
): Promise<RecordedHealth> {
  return present([...(await records.all()).values()][0]);
}

Deno.test("One failed probe makes an entry unhealthy, one good one healthy; failures are counted, the history is kept", async () => {
  let isUp = true;
  const node = await openNode(":memory:", {
    probe: () => Promise.resolve(isUp ? healthy() : unhealthy()),
    intervalMs: 20,
  });
  await register(node.service, 1);
  node.prober.start();
  await until(async () => (await node.records.all()).size === 1, "a first record");
  const up = (await single(node.records)).health;
  assertEquals([up.status, up.consecutive_failures, up.error], ["healthy", 0, undefined]);
  isUp = false;
  await until(async () => (await single(node.records)).health.consecutive_failures >= 3, "three failures");
  const down = (await single(node.records)).health;
  assertEquals([down.status, down.error], ["unhealthy", "It is broken."]);
  assert(present(down.since) < present(down.checked_at) && present(down.since) > present(up.since));
  isUp = true;
  await until(async () => (await single(node.records)).health.status === "healthy", "healthy again");
  assertEquals((await single(node.records)).health.consecutive_failures, 0);
  const { health } = await node.service.getWithHealth("e0");
  const statuses = health.history.map(({ status }) => status).join(" ");
  assert(/^(healthy )+(unhealthy ){3,}healthy/.test(statuses), statuses);
  await node.prober.stop();
  await node.close();
});

Deno.test("A history holds the last 60 checks", async () => {
  const node = await openNode(":memory:", { probe: () => Promise.resolve(healthy()) });
  await register(node.service, 1);
  const { entry } = await node.service.get("e0");
  const stored = present(await node.service.entries.find({ field: "asset_registry_id", value: "e0" }));
  for (let n = 0; n < 70; n++) {
    const checked_at = new Date(n * 1000).toISOString();
    const error = "x".repeat(5000);
    const check = { status: "unhealthy" as const, checked_at, latency_ms: n, error };
    assert(await node.records.record(stored.id, entry.asset_registry_public_url, check));
  }
  const { health } = await node.service.getWithHealth("e0");
  assertEquals(
    health.history.map(({ latency_ms }) => latency_ms),
    Array.from({ length: 60 }, (_, n) => n + 10),
  );
  assertEquals(health.consecutive_failures, 70);
  await node.close();
});

Deno.test("The time between two probes of an entry is the interval ± 10 %", async () => {
  const times: number[] = [];
  const draws = [0, 0.5, 0.999];
  const node = await openNode(":memory:", {
    intervalMs: 300,
    random: () => present(draws[times.length % draws.length]),
    probe: () => {
      times.push(performance.now());
      return Promise.resolve(healthy());
    },
  });
  await register(node.service, 1);
  node.prober.start();
  await until(() => times.length >= 6, "six probes");
  await node.prober.stop();
  const pauses = times.slice(1).map((time, n) => time - present(times[n])).sort((a, b) => a - b);
  // What is above 330 ms is the machine, and a probe that it has held up is nearer to the next. Twice the interval is not.
  for (const pause of pauses.slice(1, 4)) assert(pause >= 268 && pause < 540, `${pauses}`);
  await node.close();
});

Deno.test("At most 20 probes are under way at once, and slow ones hold up nothing but themselves", async () => {
  let underWay = 0;
  let most = 0;
  const asked = new Set<string>();
  const node = await openNode(":memory:", {
    probe: async (url, signal) => {
      most = Math.max(most, ++underWay);
      asked.add(url);
      const isSlow = /db-[0-9]\./.test(url);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, isSlow ? 3000 : 5);
        signal.addEventListener("abort", () => {
          clearTimeout(timer);
          resolve();
        });
      });
      underWay--;
      return healthy();
    },
  });
  await register(node.service, 60);
  node.prober.start();
  await until(() => asked.size === 60, "every entry asked");
  assertEquals(most, 20);
  await node.prober.stop();
  await node.close();
});

Deno.test("Of two nodes on one KV one probes an entry", () =>
  withFile(async (path) => {
    const probers = new Map<string, Set<string>>();
    const count = { a: 0, b: 0 };
    const probe = (node: "a" | "b") => (url: string) => {
      count[node]++;
      probers.set(url, (probers.get(url) ?? new Set()).add(node));
      return Promise.resolve(healthy());
    };
    const a = await openNode(path, { probe: probe("a") });
    const b = await openNode(path, { probe: probe("b") });
    await register(a.service, 8);
    a.prober.start();
    b.prober.start();
    await until(() => probers.size === 8 && count.a + count.b > 60, "60 probes");
    assertEquals([...probers.values()].filter((nodes) => nodes.size !== 1), []);
    await Promise.all([a.prober.stop(), b.prober.stop()]);
    await a.close();
    await b.close();
  }));

Deno.test("When a node dies, another takes its entries over once the leases have run out, and not before", () =>
  withFile(async (path) => {
    const leaseMs = 1500;
    const lastOfA = new Map<string, number>();
    const firstOfB = new Map<string, number>();
    const a = await openNode(path, {
      leaseMs,
      probe: (url) => {
        lastOfA.set(url, performance.now());
        return Promise.resolve(healthy());
      },
    });
    await register(a.service, 3);
    a.prober.start();
    await until(async () => (await a.records.all()).size === 3, "probes of the first node");
    const b = await openNode(path, {
      leaseMs,
      probe: (url) => {
        if (!firstOfB.has(url)) firstOfB.set(url, performance.now());
        return Promise.resolve(unhealthy("Seen by b."));
      },
    });
    b.prober.start();
    await new Promise((resolve) => setTimeout(resolve, 300));
    assertEquals(firstOfB.size, 0);
    // Without its KV it can renew nothing, as if it were gone.
    await a.close();
    const diedAt = performance.now();
    await until(async () => {
      const all = [...(await b.records.all()).values()];
      return all.every(({ health }) => health.error === "Seen by b.");
    }, "probes of the second node");
    for (const [url, firstAt] of firstOfB) {
      // A probe that its record did not follow any more renewed nothing; the one before it did.
      const renewedAt = Math.min(lastOfA.get(url) ?? Infinity, diedAt);
      assert(firstAt - renewedAt > leaseMs - 400, `${firstAt - renewedAt}`);
    }
    await b.prober.stop();
    await a.prober.stop();
    await b.close();
  }));

Deno.test("A node that stops gives its leases back, so that another need not wait", () =>
  withFile(async (path) => {
    const hour = 3_600_000;
    const asked = new Set<string>();
    const a = await openNode(path, { leaseMs: hour, probe: () => Promise.resolve(healthy()) });
    const b = await openNode(path, {
      leaseMs: hour,
      probe: (url) => {
        asked.add(url);
        return Promise.resolve(healthy());
      },
    });
    await register(a.service, 3);
    a.prober.start();
    await until(async () => (await a.records.all()).size === 3, "probes of the first node");
    b.prober.start();
    await a.prober.stop();
    await until(() => asked.size === 3, "probes of the second node");
    await b.prober.stop();
    await a.close();
    await b.close();
  }));

Deno.test("A new URL makes the health unknown until it has been probed; a removed entry leaves nothing", async () => {
  const node = await openNode(":memory:", { probe: () => Promise.resolve(healthy()) });
  await register(node.service, 1);
  node.prober.start();
  await until(async () => (await node.records.all()).size === 1, "a record");
  await node.prober.stop();
  await node.service.update("e0", { asset_registry_public_url: "http://new.example" }, () => {});
  const { health } = await node.service.getWithHealth("e0");
  assertEquals(health, {
    status: "unknown",
    checked_at: null,
    latency_ms: null,
    since: null,
    consecutive_failures: 0,
    history: [],
  });
  const stored = present(await node.service.entries.find({ field: "asset_registry_id", value: "e0" }));
  await node.service.remove("e0", () => {});
  // A probe that was under way comes too late.
  assertEquals(await node.records.record(stored.id, "http://new.example", healthy().check), false);
  const left: Deno.KvKey[] = [];
  for (const prefix of ["registry_health", "registry_history", "registry_lease"]) {
    for await (const { key } of node.kv.list({ prefix: [prefix] })) left.push(key);
  }
  assertEquals(left, []);
  await node.close();
});
