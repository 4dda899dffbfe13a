/** Several registries on one KV across a network (denokv): who probes what, and what happens when one dies. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { startDenokv } from "../../scripts/services/denokv.ts";
import { assertStatus, send } from "../server/client.ts";
import { startFake } from "../server/fake_server.ts";
import { json } from "../server/harness.ts";
import { startProcess } from "../server/subprocess.ts";

const sentence =
  "Registries that share a KV: each entry has one prober, and a killed node's entries go to another";

Deno.test(sentence, async () => {
  await using denokv = await startDenokv();
  const folder = await Deno.makeTempDir({ prefix: "registry-nodes-" });
  const probes: { path: string; at: number }[] = [];
  await using fake = startFake((request) => {
    probes.push({ path: new URL(request.url).pathname, at: performance.now() });
    return Response.json({ success: true, message: "healthy" });
  });
  const start = (name: string) =>
    startProcess(
      ["--mode", "registry", "--db", denokv.url, "--data-dir", join(folder, name), "--health-interval", "1s"],
      { env: { DENO_KV_ACCESS_TOKEN: denokv.token } },
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
    await Deno.remove(folder, { recursive: true });
  }
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
