/** Several registries on one KV across a network (denokv): who probes what, and what happens when one dies. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { minioPath } from "../../scripts/services/minio.ts";
import { freePorts, ServiceFolder } from "../../scripts/services/processes.ts";
import { assertStatus, send } from "../server/client.ts";
import { startFake } from "../server/fake_server.ts";
import { json } from "../server/harness.ts";
import { startProcess } from "../server/subprocess.ts";

// Beside the other programs that install.sh builds.
const DENOKV = join(minioPath(), "..", "denokv");
const ignore = !await Deno.stat(DENOKV).then(() => true, () => false);

const TOKEN = "a-token-of-this-test-alone";

async function startDenokv(folder: ServiceFolder): Promise<string> {
  const [port] = freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const running = await folder.start({
    name: "denokv",
    command: DENOKV,
    args: ["--sqlite-path", join(folder.path, "kv.sqlite"), "serve", "--addr", `127.0.0.1:${port}`],
    env: { DENO_KV_ACCESS_TOKEN: TOKEN },
  });
  await folder.untilItAnswers(running, async (signal) => {
    // It takes POST alone; that it says so is enough.
    const { status, body } = await fetch(url, { signal });
    await body?.cancel();
    return new Response(null, { status: status === 405 ? 200 : status });
  });
  return url;
}

const sentence =
  "Registries that share a KV: each entry has one prober, and a killed node's entries go to another";

Deno.test(sentence, { ignore }, async () => {
  const folder = await ServiceFolder.open("registry-nodes");
  const probes: { path: string; at: number }[] = [];
  await using fake = startFake((request) => {
    probes.push({ path: new URL(request.url).pathname, at: performance.now() });
    return Response.json({ success: true, message: "healthy" });
  });
  const db = await startDenokv(folder);
  const start = (name: string) =>
    startProcess(
      ["--mode", "registry", "--db", db, "--data-dir", join(folder.path, name), "--health-interval", "1s"],
      { env: { DENO_KV_ACCESS_TOKEN: TOKEN } },
    );
  const a = await start("a");
  const b = await start("b");
  let isKilled = false;
  const since = (from: number) => probes.filter(({ at }) => at >= from);
  try {
    for (let n = 0; n < 6; n++) {
      const entry = { asset_registry_name: `N${n}`, asset_registry_public_url: `${fake.url}/e${n}` };
      assertStatus(await send(n % 2 ? a : b, "/asset_registry", json("POST", entry)), 201);
    }
    // The other node finds a new entry within a third of the interval.
    await pause(2000);
    const from = performance.now();
    await pause(6000);
    // 6 entries, 6 intervals of 0.9 to 1.1 s: two probers of each would be twice as many.
    const count = since(from).length;
    assert(count >= 6 * 5 && count <= 6 * 7, `${count} probes in 6 intervals`);
    await a.end("SIGKILL");
    isKilled = true;
    const killedAt = performance.now();
    // A lease is three intervals and 10 s.
    await pause(16_000);
    const late = since(killedAt + 14_000).map(({ path }) => path);
    assertEquals(new Set(late).size, 6, "an entry is not probed any more");
    const healthy = await send(b, "/asset_registries?health=healthy&count=only", json("POST", {}));
    assertEquals(healthy.body.count, 6);
  } finally {
    if (!isKilled) await a.end("SIGKILL");
    await b.end("SIGTERM");
    await folder.stop();
  }
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
