import { assertEquals } from "@std/assert";
import { assertStatus, send } from "../server/client.ts";
import { startFake } from "../server/fake_server.ts";
import { json } from "../server/harness.ts";
import { startProcess } from "../server/subprocess.ts";

Deno.test("A registry goes to the addresses that it has checked, not through a proxy of its environment", async () => {
  let proxied = 0;
  await using proxy = startFake(() => {
    proxied++;
    return Response.json({ success: true });
  });
  await using direct = startFake(() => Response.json({ success: true, message: "healthy" }));
  const folder = await Deno.makeTempDir({ prefix: "proxy-test-" });
  const env = { NODE_USE_ENV_PROXY: "1", HTTP_PROXY: proxy.url, http_proxy: proxy.url };
  const registry = await startProcess(["--mode", "registry", "--data-dir", folder], { env });
  try {
    const entry = {
      asset_registry_id: "e",
      asset_registry_name: "E",
      asset_registry_public_url: direct.url.replace("127.0.0.1", "localhost"),
    };
    assertStatus(await send(registry, "/asset_registry", json("POST", entry)), 201);
    const { body } = assertStatus(await send(registry, "/check_health/e"), 200);
    assertEquals([body.data, proxied], [{ success: true, message: "healthy" }, 0]);
  } finally {
    await registry.end("SIGTERM");
    await Deno.remove(folder, { recursive: true });
  }
});
