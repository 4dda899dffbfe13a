/** The page of a registry, in a real browser. */
import { assertEquals } from "@std/assert";
import { assertStatus, send, uploaded } from "../server/client.ts";
import { json, startTestServer, type TestServer } from "../server/harness.ts";
import { assertAccessible, assertFits, closeBrowser, open } from "./browser.ts";

Deno.test.afterAll(closeBrowser);

async function register(registry: TestServer, id: string, url: string): Promise<void> {
  const entry = { asset_registry_id: id, asset_registry_name: `The ${id}`, asset_registry_public_url: url };
  assertStatus(await send(registry, "/asset_registry", json("POST", entry)), 201);
}

Deno.test("The Assets DBs with their health and its history, and a search over all that says where it looked", async () => {
  await using assetsDb = await startTestServer();
  await uploaded(assetsDb, "x", { name: "model", more: { asset_tags: ["demo"] } });
  await using registry = await startTestServer({ mode: "registry", healthInterval: "1s" });
  await register(registry, "lab", assetsDb.url);
  await register(registry, "attic", "http://127.0.0.1:9");
  for (const id of ["lab", "attic"]) await send(registry, `/check_health/${id}`);
  for (const [width, colorScheme] of [[1280, "light"], [390, "dark"]] as const) {
    const options = { colorScheme, viewport: { width, height: 800 }, expected: /502/ };
    await using opened = await open(`${registry.url}/ui/`, options);
    const { page } = opened;
    await page.locator(".card", { hasText: "The lab" }).locator(".badge-healthy").waitFor();
    await page.locator(".card", { hasText: "The attic" }).locator(".badge-unhealthy").waitFor();
    await page.locator(".card", { hasText: "The attic" }).locator("svg .bar-unhealthy").first().waitFor();
    await page.locator("#rows tr", { hasText: "model" }).waitFor();
    await page.locator("#source-rows tr", { hasText: "The lab" }).locator(".badge-ok").waitFor();
    await page.locator("#source-rows tr", { hasText: "The attic" }).locator(".badge-skipped").waitFor();
    await page.fill("#search", "nothing like it");
    await page.locator("#empty").waitFor();
    await page.fill("#search", "demo");
    await page.locator("#rows tr", { hasText: "model" }).waitFor();
    await page.getByRole("button", { name: "Check now: The attic" }).click();
    await page.locator("#problem", { hasText: "could not be reached" }).or(page.locator(".badge-unhealthy"))
      .first().waitFor();
    await assertFits(page);
    await assertAccessible(page);
    assertEquals(await page.title(), "Assets registry");
  }
});
