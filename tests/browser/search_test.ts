/** The search of the page where there are very many assets, and what the address keeps of a search. */
import { assert, assertEquals } from "@std/assert";
import type { Page, Route } from "playwright-core";
import { created } from "../server/client.ts";
import { startTestServer, type TestServer } from "../server/harness.ts";
import { closeBrowser, open } from "./browser.ts";

Deno.test.afterAll(closeBrowser);

async function fill(server: TestServer): Promise<void> {
  for (const name of ["resnet", "ResNet-50", "old resnet"]) await created(server, { asset_name: name });
  for (let n = 10; n < 40; n++) await created(server, { asset_name: `zeta ${n}` });
}

/** Says that there are millions, which takes long to make; the answers are those of the server. */
async function pretendMillions(page: Page): Promise<void> {
  await page.route("**/assets?count=only", async (route) => {
    const isOfAll = route.request().postData() === "{}";
    if (isOfAll) await route.fulfill({ json: { success: true, data: [], count: 3_000_000 } });
    else await route.continue();
  });
  await page.reload();
  await found(page, "1–20 of 3,000,000");
}

async function found(page: Page, line: string): Promise<void> {
  await page.locator("#found", { hasText: line }).waitFor();
}

Deno.test("Among millions, what begins so is found at once, and the rest on demand", async () => {
  await using server = await startTestServer();
  await fill(server);
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  await pretendMillions(page);
  await page.fill("#search", "resnet");
  await found(page, "1–1 of 1 that begin so");
  await page.click("#anywhere");
  await found(page, "1–3 of 3");
  await page.locator("#wider").waitFor({ state: "hidden" });
  await page.fill("#search", "net");
  await found(page, "Nothing begins so.");
  await page.press("#search", "Enter");
  await found(page, "1–3 of 3");
});

Deno.test("Among millions, matches are counted on demand", async () => {
  await using server = await startTestServer();
  await fill(server);
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  await pretendMillions(page);
  await page.fill("#search", "zeta");
  await found(page, "1–20 of more that begin so");
  await page.getByRole("button", { name: "Count them" }).click();
  await found(page, "1–20 of 30 that begin so");
});

Deno.test("While it is typed, older answers are given up", async () => {
  await using server = await startTestServer();
  await fill(server);
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  await found(page, "1–20 of 33");
  const failed: string[] = [];
  page.on("requestfailed", (request) => failed.push(request.failure()?.errorText ?? ""));
  let held: Route | undefined;
  await page.route("**/assets?limit=*", async (route) => {
    if (held === undefined) held = route;
    else await route.continue();
  });
  await page.fill("#search", "zeta 1");
  while (held === undefined) await page.waitForTimeout(20);
  await page.fill("#search", "zeta 11");
  await found(page, "1–1 of 1");
  await held.continue().catch(() => {});
  await page.waitForTimeout(200);
  await found(page, "1–1 of 1");
  assert(failed.includes("net::ERR_ABORTED"), failed.join());
});

Deno.test("Nothing is asked while somebody is still typing", async () => {
  await using server = await startTestServer();
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  await page.locator("#empty").waitFor();
  let asked = 0;
  page.on("request", (request) => {
    if (request.url().includes("/assets?limit")) asked++;
  });
  await page.clock.install();
  await page.clock.pauseAt(Date.now() + 60_000);
  for (const letter of "resnet") {
    await page.locator("#search").press(letter);
    await page.clock.runFor(150);
  }
  assertEquals(asked, 0);
  await page.clock.runFor(100);
  await page.locator("#nothing").waitFor();
  assertEquals(asked, 1);
});

Deno.test("The address keeps a search: for a reload, a link, and the way back from an asset", async () => {
  await using server = await startTestServer();
  await fill(server);
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  await page.fill("#search", "zeta");
  await page.selectOption("#sort", "-asset_name");
  await page.locator("#rows tr:first-child", { hasText: "zeta 39" }).waitFor();
  assertEquals(new URL(page.url()).hash, "#/?q=zeta&sort=-asset_name");
  await page.reload();
  await page.locator("#rows tr:first-child", { hasText: "zeta 39" }).waitFor();
  await page.click("#next");
  await found(page, "21–30 of 30");
  await page.getByRole("link", { name: "zeta 12" }).click();
  await page.locator("h1", { hasText: "zeta 12" }).waitFor();
  await page.goBack();
  await found(page, "21–30 of 30");
  assertEquals(await page.evaluate("document.activeElement.textContent"), "zeta 12");
  await page.goto(`${server.url}/ui/#/?filter=${encodeURIComponent('{"asset_name":"zeta 20"}')}`);
  await found(page, "1–1 of 1");
  await page.locator("#filter").waitFor();
  await page.getByRole("link", { name: "Assets" }).click();
  await found(page, "of 33");
  assertEquals(await page.inputValue("#filter"), "");
});

Deno.test("The link past the top leads to the content, and leaves the search alone", async () => {
  await using server = await startTestServer();
  await fill(server);
  await using opened = await open(`${server.url}/ui/#/?q=zeta`);
  const { page } = opened;
  await found(page, "of 30");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assertEquals(await page.evaluate("document.activeElement.id"), "main");
  assertEquals(new URL(page.url()).hash, "#/?q=zeta");
});
