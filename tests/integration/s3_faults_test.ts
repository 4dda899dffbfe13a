/** What clients hear, and how soon, when S3 itself refuses; and that nothing is left of it. For its network see `toxic_s3_test.ts`. */
import { assert, assertEquals } from "@std/assert";
import { startMinio } from "../../scripts/services/minio.ts";
import { readConfig } from "../../src/cli/config.ts";
import { fsck } from "../maintenance/fixture.ts";
import { json, startTestServer, type TestServer, uploadForm } from "../server/harness.ts";
import { type Fault, FaultProxy } from "./fault_proxy.ts";
import { settingsFor, withService } from "./s3_service_suite.ts";
import { seededBytes } from "./seeded_bytes.ts";

const MIB = 2 ** 20;

/** Longer than any answer may take: what a client of a usual time-out still waits for. */
const BOUND_MS = 25_000;

const minio = withService(startMinio);

interface Setup extends AsyncDisposable {
  server: TestServer;
  proxy: FaultProxy;
  /** Waits until fsck, past the proxy, finds nothing and the journal is empty. */
  assertNothingLeft(assets: number): Promise<void>;
}

async function setUp(): Promise<Setup> {
  const settings = settingsFor(minio);
  const proxy = new FaultProxy(new URL(minio.service().endpoint));
  const server = await startTestServer({ ...settings, s3Endpoint: proxy.url });
  return {
    server,
    proxy,
    async assertNothingLeft(assets) {
      const direct = readConfig({ ...settings, dataDir: server.dataDir }, () => undefined);
      const { told, documents, files } = await fsck(direct, { readsFiles: true });
      assertEquals({ told, documents, files }, { told: [], documents: assets, files: assets });
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

async function upload(server: TestServer, name: string, sizeBytes: number): Promise<[number, string]> {
  const body = uploadForm(seededBytes(1, 0, sizeBytes), { name });
  const response = await fetch(`${server.url}/upload_asset`, { method: "POST", body });
  const { code = "" } = await response.json();
  return [response.status, code];
}

/** Within the bound. */
async function soon<T>(what: string, work: Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const result = await work;
  const ms = performance.now() - startedAt;
  assert(ms < BOUND_MS, `${what} took ${Math.round(ms)} ms`);
  return result;
}

const FAULTS: { what: string; fault: Fault }[] = [
  { what: "answers 503 SlowDown", fault: { kind: "status", status: 503, code: "SlowDown" } },
  { what: "answers 403 AccessDenied", fault: { kind: "status", status: 403, code: "AccessDenied" } },
];

for (const { what, fault } of FAULTS) {
  Deno.test(`while S3 ${what}, uploads fail clearly and within a bounded time, the server serves on, and nothing is left`, async () => {
    await using setup = await setUp();
    const { server, proxy } = setup;
    assertEquals(await upload(server, "Before", 1000), [201, ""]);
    proxy.set(fault);
    const answers = await soon(
      "an upload",
      Promise.all([upload(server, "Small", 1000), upload(server, "Large", 20 * MIB)]),
    );
    for (const [status, code] of answers) {
      assert(status === 502 || status === 503, `${status} ${code}`);
      assert(["storage_error", "unavailable"].includes(code), code);
    }
    const query = await fetch(`${server.url}/assets`, json("POST", { asset_name: "Before" }));
    assertEquals((await query.json()).data.length, 1, "what is known is known");
    const health = await soon("/health", fetch(`${server.url}/health`));
    assertEquals(health.status, 503);
    await health.body?.cancel();
    proxy.set({ kind: "none" });
    assertEquals(await upload(server, "After", 20 * MIB), [201, ""]);
    await setup.assertNothingLeft(2);
  });
}

Deno.test("while S3 is slow, uploads and downloads take their time and are right", async () => {
  await using setup = await setUp();
  setup.proxy.set({ kind: "latency", ms: 150 });
  assertEquals(await soon("an upload", upload(setup.server, "Slow", 9 * MIB)), [201, ""]);
  await setup.assertNothingLeft(1);
});

Deno.test("a download whose bytes stop on their way from S3 breaks off, and is never taken for whole", async () => {
  await using setup = await setUp();
  const { server, proxy } = setup;
  assertEquals(await upload(server, "File", 9 * MIB), [201, ""]);
  const { data } = await (await fetch(`${server.url}/asset/File:1.0-initial`)).json();
  proxy.set({ kind: "reset", afterBytes: 3 * MIB });
  const response = await fetch(`${server.url}/asset-object/${data.asset_id}`);
  const outcome = await soon(
    "the download",
    response.bytes().then((bytes) => `whole, ${bytes.length} bytes`, () => "broken off"),
  );
  assert(response.status === 502 || outcome === "broken off", `${response.status} ${outcome}`);
  proxy.set({ kind: "none" });
  const again = await (await fetch(`${server.url}/asset-object/${data.asset_id}`)).bytes();
  assertEquals(again.length, 9 * MIB);
});
