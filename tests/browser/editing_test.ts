/** Small things that go wrong easily: tags that look like something else, uploads behind a closed dialogue, links. */
import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { assertStatus, created, getAsset, listAt, send, uploaded } from "../server/client.ts";
import { startTestServer, uploadForm } from "../server/harness.ts";
import { closeBrowser, open, uploadGate } from "./browser.ts";

Deno.test.afterAll(closeBrowser);

Deno.test("Tags with commas, brackets and spaces survive a change of something else, and one of themselves", async () => {
  await using server = await startTestServer();
  const tags = ["a, b", " spaced ", "[list]"];
  await created(server, {
    asset_name: "odd",
    asset_version: { version: "1", tag: "a" },
    asset_tags: tags,
    asset_metadata: { a: 1 },
  });
  await using opened = await open(`${server.url}/ui/#/asset/odd%3A1-a`);
  const { page } = opened;
  const saved = async () => {
    await page.locator("#edit-form [type=submit]").click();
    await page.locator("#edit-dialog").waitFor({ state: "hidden" });
    return listAt((await getAsset(server, "odd:1-a")).body, "data.asset_tags");
  };
  await page.getByRole("button", { name: "Edit" }).click();
  await page.fill("#edit-metadata", '{"a": 2}');
  assertEquals(await saved(), tags);
  await page.locator(".leaf", { hasText: "2" }).waitFor();
  await page.getByRole("button", { name: "Edit" }).click();
  assertEquals(JSON.parse(await page.inputValue("#edit-tags")), tags);
  await page.fill("#edit-tags", '["c, d"]');
  assertEquals(await saved(), ["c, d"]);
});

Deno.test("While a file goes up behind a closed dialogue, the button tells how far it is", async () => {
  await using server = await startTestServer();
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  const letThrough = await uploadGate(page);
  await page.click("#upload-button");
  await page.setInputFiles("#upload-files", { name: "a", mimeType: "", buffer: Buffer.alloc(2_500_000) });
  await page.locator("#upload-form [type=submit]").click();
  await page.keyboard.press("Escape");
  await page.locator("#upload-button", { hasText: "Uploading 0 %" }).waitFor();
  letThrough(1);
  await page.locator("#upload-button", { hasText: "Uploading 83 %" }).waitFor();
  letThrough(Infinity);
  await page.locator("#rows", { hasText: "2.5 MB" }).waitFor();
  assertEquals(await page.textContent("#upload-button"), "Upload");
});

Deno.test("A tag of an asset leads to all assets that have it", async () => {
  await using server = await startTestServer();
  const tag = 'a "tag", & more';
  for (const name of ["one", "two"]) await uploaded(server, "x", { name, more: { asset_tags: [tag] } });
  await uploaded(server, "x", { name: "three" });
  await using opened = await open(`${server.url}/ui/#/asset/one%3A1.0-initial`);
  const { page } = opened;
  await page.getByRole("link", { name: tag }).click();
  await page.locator("#found", { hasText: "1–2 of 2" }).waitFor();
  assertEquals(await page.inputValue("#filter"), JSON.stringify({ asset_tags: tag }));
});

Deno.test("The newest file comes first, and the window is named after what it shows", async () => {
  await using server = await startTestServer();
  for (const name of ["old", "new"]) await uploaded(server, "x", { name });
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  await page.locator("#rows tr:first-child", { hasText: "new" }).waitFor();
  await page.getByRole("link", { name: "old" }).click();
  await page.locator("h1", { hasText: "old" }).waitFor();
  assertEquals(await page.title(), "old:1.0-initial · Assets");
  await page.getByRole("link", { name: "All assets" }).click();
  await page.locator("#list").waitFor();
  assertEquals(await page.title(), "Assets");
});

Deno.test("Without the clipboard of pages over HTTPS, commands are copied the older way", async () => {
  await using server = await startTestServer();
  await uploaded(server, "x", { name: "only" });
  await using opened = await open(`${server.url}/ui/#/asset/only%3A1.0-initial`, {
    permissions: ["clipboard-read"],
  });
  const { page } = opened;
  await page.evaluate("Object.defineProperty(navigator.clipboard, 'writeText', { value: undefined })");
  await page.getByRole("button", { name: "Copy pull" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const copied = await page.evaluate<string>("navigator.clipboard.readText()");
  assertEquals(copied, `assets-server pull only:1.0-initial --server ${server.url}`);
});

Deno.test("A file that is fetched with a token has its own name, and its bytes", async () => {
  await using server = await startTestServer({ authReadToken: "reader", authWriteToken: "writer" });
  const body = uploadForm("secret", { name: "n", fileName: "secret.txt" });
  const headers = { Authorization: "Bearer writer" };
  assertStatus(await send(server, "/upload_asset", { method: "POST", body, headers }), 201);
  await using opened = await open(`${server.url}/ui/#/asset/n%3A1.0-initial`, { token: "reader" });
  const { page } = opened;
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download" }).click(),
  ]);
  assertEquals(download.suggestedFilename(), "secret.txt");
  assertEquals(await Deno.readTextFile(await download.path()), "secret");
  await page.locator("pre", { hasText: 'curl -fL -H "Authorization: Bearer $ASSETS_TOKEN"' }).waitFor();
});
