/** The page of an Assets DB, in a real browser. */
import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { created, getAsset, listAt, query, textAt, uploaded } from "../server/client.ts";
import { startTestServer, type TestServer } from "../server/harness.ts";
import { assertAccessible, assertFits, closeBrowser, open } from "./browser.ts";

Deno.test.afterAll(closeBrowser);

/** What a server has for these tests: two versions of a model, and 25 others. */
async function fill(server: TestServer): Promise<void> {
  const meta = (score: number) => ({
    asset_tags: ["text"],
    asset_metadata: { quality: { score }, "<b>": "<i>x</i>" },
  });
  await uploaded(server, "one", { name: "llama", version: "3.0", tag: "base", more: meta(0.5) });
  await uploaded(server, "second", { name: "llama", version: "3.1", tag: "base", more: meta(0.7) });
  for (let n = 10; n < 35; n++) {
    await created(server, {
      asset_name: `note ${n}`,
      asset_version: { version: "1", tag: "a" },
      asset_tags: ["note"],
    });
  }
}

const names = (page: Page) => page.locator("#rows tr th").allTextContents();

async function shows(page: Page, line: string): Promise<void> {
  await page.locator("#found", { hasText: line }).waitFor();
}

Deno.test("The list: pages, order, search as you type, filters with help", async () => {
  await using server = await startTestServer();
  await fill(server);
  await using opened = await open(`${server.url}/`, {
    extraHTTPHeaders: { Accept: "text/html" },
    expected: /400/,
  });
  const { page } = opened;
  assertEquals(page.url(), `${server.url}/ui/`);
  await shows(page, "1–20 of 27");
  await page.click("#next");
  await shows(page, "21–27 of 27");
  assert(await page.isDisabled("#next"));
  await page.click("#previous");
  await shows(page, "1–20 of 27");
  await page.selectOption("#sort", "-asset_name");
  await page.locator("#rows tr:first-child", { hasText: "note 34" }).waitFor();
  await page.fill("#search", "LLAma 3.1");
  await shows(page, "1–1 of 1");
  await page.fill("#search", "");
  await page.click("summary");
  await page.fill("#filter", '{"asset_metadata.quality.score": {"$lt": 0.6}}');
  await shows(page, "1–1 of 1");
  await page.fill("#filter", "{");
  await page.locator("#filter-problem", { hasText: "not JSON" }).waitFor();
  await page.fill("#filter", '{"$where": "1"}');
  await page.locator("#problem", { hasText: "$where" }).waitFor();
  await page.getByRole("button", { name: "a pattern" }).click();
  await shows(page, "1–2 of 2");
  assertEquals(await names(page), ["llama", "llama"]);
});

Deno.test("An asset: metadata as a tree, versions side by side, commands to copy, change, deletion", async () => {
  await using server = await startTestServer();
  await fill(server);
  await using opened = await open(`${server.url}/ui/`, {
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const { page } = opened;
  await page.getByRole("link", { name: "llama" }).nth(1).click();
  await page.locator("h1", { hasText: "llama" }).waitFor();
  await page.locator(".tree", { hasText: "<i>x</i>" }).waitFor();
  await page.locator(".compare tr.differs", { hasText: "quality.score" }).waitFor();
  await page.getByRole("button", { name: "Copy pull" }).click();
  const clip = () => page.evaluate("navigator.clipboard.readText()");
  await page.getByRole("button", { name: "Copied" }).waitFor();
  assertEquals(await clip(), `assets-server pull llama:3.1-base --server ${server.url}`);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByText("Download").click()]);
  assertEquals(await Deno.readTextFile(await download.path()), "second");

  await page.getByRole("button", { name: "Edit" }).click();
  await page.fill("#edit-metadata", "[");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("#edit-problem", { hasText: "not JSON" }).waitFor();
  await page.fill("#edit-tags", "text, checked");
  await page.fill("#edit-metadata", '{"a": {"b": [1, null]}}');
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".facts", { hasText: "checked" }).waitFor();
  assertEquals(listAt((await getAsset(server, "llama:3.1-base")).body, "data.asset_metadata.a.b"), [1, null]);

  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Keep it" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.locator("#delete-form").getByRole("button", { name: "Delete" }).click();
  await shows(page, "of 26");
  assertEquals((await getAsset(server, "llama:3.1-base")).status, 404);
});

Deno.test("A change of what somebody else has changed meanwhile is refused", async () => {
  await using server = await startTestServer();
  await uploaded(server, "x", { name: "shared" });
  await using opened = await open(`${server.url}/ui/#/asset/shared%3A1.0-initial`, { expected: /412/ });
  const { page } = opened;
  await page.getByRole("button", { name: "Edit" }).click();
  await fetch(`${server.url}/asset/shared:1.0-initial`, {
    method: "PUT",
    body: '{"asset_tags":["theirs"]}',
    headers: { "Content-Type": "application/json" },
  }).then((response) => response.body?.cancel());
  await page.fill("#edit-tags", "mine");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("#edit-problem", { hasText: "meanwhile" }).waitFor();
  assertEquals(listAt((await getAsset(server, "shared:1.0-initial")).body, "data.asset_tags"), ["theirs"]);
});

Deno.test("An upload: dropped, with progress, paused, the page loaded again, resumed", async () => {
  await using server = await startTestServer();
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/big.bin`;
    await Deno.writeFile(path, new Uint8Array(24 * 2 ** 20).map((_, index) => index * 31 >> 5));
    let pieces = 0;
    await page.route("**/uploads/*", async (route) => {
      if (route.request().method() === "PATCH" && ++pieces > 1) {
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
      await route.continue().catch(() => {});
    });
    await page.click("#upload-button");
    await page.setInputFiles("#upload-files", path);
    await page.locator("#upload-form").getByRole("button", { name: "Upload", exact: true }).click();
    await page.locator("#uploads", { hasText: "left" }).waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator("#uploads", { hasText: "paused" }).waitFor();
    await page.reload();
    const begun: string[] = [];
    page.on("request", (request) => {
      if (request.url().includes("/uploads/")) begun.push(request.method());
    });
    await page.click("#upload-button");
    await page.setInputFiles("#upload-files", path);
    await page.locator("#upload-form").getByRole("button", { name: "Upload", exact: true }).click();
    await page.locator("#uploads", { hasText: "done" }).waitFor({ timeout: 30_000 });
    assertEquals(begun.includes("POST"), false);
    assertEquals(begun[0], "HEAD");
    await page.getByRole("link", { name: "Show" }).click();
    await page.locator("h1", { hasText: "big.bin" }).waitFor();
    const { body } = await getAsset(server, "big.bin:1.0-initial");
    const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
    assertEquals(textAt(body, "data.asset_file_info.sha256"), new Uint8Array(digest).toHex());
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Files dropped on the page are uploaded under their own names", async () => {
  await using server = await startTestServer();
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  await page.evaluate(`
    const data = new DataTransfer();
    for (const name of ["a.txt", "b.txt"]) data.items.add(new File([name], name, { type: "text/plain" }));
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  `);
  await page.locator("#upload-chosen", { hasText: "2 files" }).waitFor();
  await page.locator("#upload-form").getByRole("button", { name: "Upload", exact: true }).click();
  await page.locator("#uploads li:nth-child(2)", { hasText: "done" }).waitFor();
  assertEquals(listAt((await query(server, {})).body, "data").map((one) => textAt(one, "asset_name")), [
    "a.txt",
    "b.txt",
  ]);
});

Deno.test("A token is asked for, a wrong one is refused, the right one lets in", async () => {
  await using server = await startTestServer({ authReadToken: "reader", authWriteToken: "writer" });
  await using opened = await open(`${server.url}/ui/`, { expected: /401|403/ });
  const { page } = opened;
  await page.locator("#token-dialog[open]").waitFor();
  await page.fill("#token-input", "wrong");
  await page.keyboard.press("Enter");
  await page.locator("#token-reason", { hasText: "not known" }).waitFor();
  await page.fill("#token-input", "reader");
  await page.keyboard.press("Enter");
  await page.locator("#empty").waitFor();
  assertEquals(await page.evaluate(() => [localStorage.length, sessionStorage.length]), [0, 1]);
});

Deno.test("When the server goes away the page says so, and works again when it is back", async () => {
  const server = await startTestServer();
  await using opened = await open(`${server.url}/ui/`, { expected: /ERR_CONNECTION|Failed to load/ });
  const { page } = opened;
  await page.locator("#empty").waitFor();
  const { port } = new URL(server.url);
  await using _back = server;
  await server.restart({ port: "0" });
  await page.fill("#search", "x");
  await page.locator("#problem", { hasText: "does not answer" }).waitFor();
  await server.restart({ port });
  await page.fill("#search", "");
  await page.locator("#empty").waitFor();
  await page.locator("#problem").waitFor({ state: "hidden" });
});

Deno.test("With the keyboard alone: to an asset, into its editor, and back", async () => {
  await using server = await startTestServer();
  await uploaded(server, "x", { name: "only" });
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  await page.locator("#rows a").waitFor();
  const press = (key: string) => page.keyboard.press(key);
  const focused = () => page.evaluate<string>("document.activeElement?.textContent ?? ''");
  const tabTo = async (text: string) => {
    for (let tries = 0; tries < 30; tries++) {
      await press("Tab");
      if ((await focused()).trim() === text) return;
    }
    throw new Error(`The keyboard does not reach ${text}`);
  };
  await tabTo("only");
  await press("Enter");
  await page.locator("h1", { hasText: "only" }).waitFor();
  await tabTo("Edit");
  await press("Enter");
  await page.keyboard.type("typed");
  await press("Enter");
  await page.locator(".facts", { hasText: "typed" }).waitFor();
  await tabTo("Delete");
  await press("Enter");
  await press("Escape");
  await page.locator("#delete-dialog").waitFor({ state: "hidden" });
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [1280, 390]) {
    Deno.test(`Accessible and no wider than the screen: ${colorScheme}, ${width} px`, async () => {
      await using server = await startTestServer();
      await fill(server);
      await using opened = await open(`${server.url}/ui/`, { colorScheme, viewport: { width, height: 800 } });
      const { page } = opened;
      await shows(page, "of 27");
      await page.click("summary");
      const check = async () => {
        await assertFits(page);
        await assertAccessible(page);
      };
      await check();
      await page.click("#upload-button");
      await check();
      await page.click("#upload-close");
      await page.click("#token-button");
      await check();
      await page.locator("#token-dialog [data-close]").click();
      await page.goto(`${server.url}/ui/#/asset/llama%3A3.0-base`);
      await page.locator(".compare").waitFor();
      await check();
      await page.getByRole("button", { name: "Edit" }).click();
      await check();
      if ((width === 390) === (colorScheme === "light")) return;
      await page.goto(`${server.url}/docs`);
      await check();
    });
  }
}
