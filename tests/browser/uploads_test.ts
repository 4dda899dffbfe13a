/** Uploads from the page that do not run smoothly: broken off, refused, dropped, large. */
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Page } from "playwright-core";
import { getAsset, listAt, query, textAt, uploaded } from "../server/client.ts";
import { startTestServer, type TestServer } from "../server/harness.ts";
import { closeBrowser, open, SCREENS, uploadGate } from "./browser.ts";

Deno.test.afterAll(closeBrowser);

const MIB = 2 ** 20;

/** Chooses files in the dialog and sends them. */
async function send(page: Page, files: Parameters<Page["setInputFiles"]>[1]): Promise<void> {
  if (!await page.locator("#upload-dialog").isVisible()) await page.click("#upload-button");
  await page.setInputFiles("#upload-files", files);
  await page.locator("#upload-form [type=submit]").click();
}

/** Files for an input. */
function files(...named: [string, string][]) {
  return named.map(([name, text]) => ({ name, mimeType: "text/plain", buffer: Buffer.from(text) }));
}

/** The names of all assets. */
async function namesIn(server: TestServer): Promise<string[]> {
  return listAt((await query(server, {})).body, "data").map((one) => textAt(one, "asset_name"));
}

/** A folder with a file of so many bytes that are not all the same. */
async function folderWith(name: string, bytes: number): Promise<{ folder: string; path: string }> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/${name}`;
  await Deno.writeFile(path, new Uint8Array(bytes).map((_, index) => index * 31 >> 5));
  return { folder, path };
}

for (const [width, screen] of Object.entries(SCREENS)) {
  Deno.test(`An upload that a reload breaks off goes on when the same file is chosen again: ${width} px`, async () => {
    await using server = await startTestServer();
    await using opened = await open(`${server.url}/ui/`, screen);
    const { page } = opened;
    const { folder, path } = await folderWith("big.bin", 12 * MIB);
    try {
      const letThrough = await uploadGate(page);
      letThrough(1);
      await page.click("#upload-button");
      await page.setInputFiles("#upload-files", path);
      await page.fill("#upload-version", "7");
      await page.locator("#upload-form [type=submit]").click();
      await page.locator("#uploads", { hasText: /[2-9]\.\d MB of 13 MB/ }).waitFor();
      page.on("dialog", (dialog) => dialog.accept());
      await page.reload();
      letThrough(Infinity);
      const methods: string[] = [];
      page.on("request", (request) => {
        if (request.url().includes("/uploads/")) methods.push(request.method());
      });
      await page.click("#upload-button");
      await page.locator("#unfinished", { hasText: /[2-9]\.\d MB of 13 MB/ }).waitFor();
      await page.setInputFiles("#upload-files", path);
      await page.locator("#upload-chosen", { hasText: /It goes on at [2-9]\.\d MB\./ }).waitFor();
      assertEquals(await page.inputValue("#upload-version"), "7");
      await page.locator("#upload-form [type=submit]").click();
      await page.locator("#uploads", { hasText: "done" }).waitFor();
      assertEquals(methods.includes("POST"), false);
      assertEquals(methods[0], "HEAD");
      const { body } = await getAsset(server, "big.bin:7-initial");
      const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
      assertEquals(textAt(body, "data.asset_file_info.sha256"), new Uint8Array(digest).toHex());
      assertEquals(await page.evaluate("localStorage.length"), 0);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("An upload that was begun before can be discarded, here and at the server", async () => {
  await using server = await startTestServer();
  await using opened = await open(`${server.url}/ui/`, { expected: /404/ });
  const { page } = opened;
  await page.route("**/uploads/*", (route) => {
    if (route.request().method() !== "PATCH") return route.continue();
  });
  await send(page, files(["left.txt", "left"]));
  await page.locator("#uploads", { hasText: "0 B of 4 B" }).waitFor();
  const url = await page.evaluate<string>("JSON.parse(localStorage.getItem(localStorage.key(0))).url");
  page.on("dialog", (dialog) => dialog.accept());
  await page.reload();
  await page.unrouteAll({ behavior: "ignoreErrors" });
  await page.click("#upload-button");
  await page.getByRole("button", { name: "Discard: left.txt" }).click();
  await page.locator("#unfinished").waitFor({ state: "hidden" });
  const answer = await fetch(url, { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" } });
  assertEquals([404, 410].includes(answer.status), true);
});

Deno.test("Of several files one is refused: the others go up, and it says why", async () => {
  await using server = await startTestServer();
  await uploaded(server, "there", { name: "b.txt" });
  await using opened = await open(`${server.url}/ui/`, { expected: /409/ });
  const { page } = opened;
  await send(page, files(["a.txt", "a"], ["b.txt", "b"], ["c.txt", "c"]));
  await page.locator("#uploads li:nth-child(3)", { hasText: "done" }).waitFor();
  await page.locator('#uploads li[data-state="failed"]', { hasText: "is taken" }).waitFor();
  await page.getByRole("button", { name: "Try again: b.txt" }).waitFor();
  assertEquals(await namesIn(server), ["b.txt", "a.txt", "c.txt"]);
  await page.getByRole("button", { name: "Remove: b.txt" }).click();
  await page.locator("#uploads li:nth-child(3)").waitFor({ state: "detached" });
});

Deno.test("A file with another SHA-256 than the stated one is refused, and nothing is left of it", async () => {
  await using server = await startTestServer();
  await using opened = await open(`${server.url}/ui/`, { expected: /460|404/ });
  const { page } = opened;
  await page.click("#upload-button");
  await page.setInputFiles("#upload-files", files(["sum.txt", "sum"]));
  await page.fill("#upload-sha256", "0".repeat(64));
  await page.locator("#upload-form [type=submit]").click();
  await page.locator('#uploads li[data-state="failed"]', { hasText: /sha-?256|checksum/i }).waitFor();
  assertEquals(await namesIn(server), []);
  assertEquals(await page.evaluate("localStorage.length"), 0);
});

Deno.test("An upload goes on by itself when a server that was away is back", async () => {
  await using server = await startTestServer();
  await using opened = await open(`${server.url}/ui/`, { expected: /ERR_CONNECTION|ERR_EMPTY|50[34]/ });
  const { page } = opened;
  const { folder, path } = await folderWith("big.bin", 6 * MIB);
  try {
    const letThrough = await uploadGate(page);
    letThrough(1);
    await send(page, path);
    await page.locator("#uploads", { hasText: "2.1 MB of 6.3 MB" }).waitFor();
    const { port } = new URL(server.url);
    await server.restart({ port: "0" });
    letThrough(Infinity);
    await page.locator("#uploads", { hasText: "does not answer. It is tried again…" }).waitFor();
    await server.restart({ port });
    await page.locator("#uploads", { hasText: "done" }).waitFor();
    assertEquals(await namesIn(server), ["big.bin"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("A file that is going up is not sent twice", async () => {
  await using server = await startTestServer();
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  const { folder, path } = await folderWith("once.bin", 3 * MIB);
  try {
    const letThrough = await uploadGate(page);
    await send(page, path);
    await page.locator('#uploads [data-state="running"]').waitFor();
    await send(page, path);
    await page.locator("#upload-problem", { hasText: "once.bin is going up already." }).waitFor();
    letThrough(Infinity);
    await page.locator("#uploads", { hasText: "done" }).waitFor();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("A piece that arrives damaged is sent again", async () => {
  await using server = await startTestServer();
  await using opened = await open(`${server.url}/ui/`, { expected: /460/ });
  const { page } = opened;
  let isDamaged = false;
  await page.route("**/uploads/*", async (route) => {
    if (route.request().method() !== "PATCH" || isDamaged) return await route.continue();
    isDamaged = true;
    await route.continue({ postData: "damaged" });
  });
  await send(page, files(["whole.txt", "entirely"]));
  await page.locator("#uploads", { hasText: "done" }).waitFor();
  assert(isDamaged);
  const { body } = await getAsset(server, "whole.txt:1.0-initial");
  const file = await fetch(textAt(body, "data.asset_public_url"));
  assertEquals(await file.text(), "entirely");
});

Deno.test("A folder that is dropped goes up with all files in it, under their paths", async () => {
  await using server = await startTestServer();
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/llama/sub`, { recursive: true });
    await Deno.writeTextFile(`${folder}/llama/config.json`, "{}");
    await Deno.writeTextFile(`${folder}/llama/sub/part-1.bin`, "part");
    // What the system does when something is dropped from another window.
    const devtools = await page.context().newCDPSession(page);
    const data = { items: [], files: [`${folder}/llama`], dragOperationsMask: 1 };
    // The pointer comes to another element with its last move, as it does when the page grows under it.
    const moves = [["dragEnter", 790], ["dragOver", 790], ["drop", 20]] as const;
    for (const [type, y] of moves) {
      await devtools.send("Input.dispatchDragEvent", { type, x: 400, y, data });
    }
    await page.locator("#upload-chosen", { hasText: "2 files, 6 B." }).waitFor();
    await page.locator("#upload-form [type=submit]").click();
    await page.locator("#uploads li:nth-child(2)", { hasText: "done" }).waitFor();
    assertEquals(await namesIn(server), ["llama/config.json", "llama/sub/part-1.bin"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("A file of 2 GiB is read piece by piece", async () => {
  await using server = await startTestServer();
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  const { folder, path } = await folderWith("huge.bin", 0);
  try {
    await Deno.truncate(path, 2048 * MIB);
    const sizes: number[] = [];
    page.on("request", (request) => {
      if (request.method() === "PATCH") sizes.push(Number(request.headers()["content-length"] ?? 0));
    });
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Performance.enable");
    await send(page, path);
    await page.locator("#uploads", { hasText: /\d MB of 2\.1 GB/ }).waitFor();
    while (sizes.length < 6) await new Promise((resolve) => setTimeout(resolve, 50));
    const { metrics } = await devtools.send("Performance.getMetrics");
    const heap = metrics.find(({ name }) => name === "JSHeapUsedSize")?.value ?? Infinity;
    assert(heap < 100 * MIB, `${heap} bytes of memory`);
    await page.getByRole("button", { name: "Cancel: huge.bin" }).click();
    await page.locator("#uploads li").waitFor({ state: "detached" });
    assertEquals(await namesIn(server), []);
    let left = 0;
    for await (const _ of Deno.readDir(`${server.dataDir}/objects`)) left++;
    assert(left <= 3, `${left} entries in the folder of objects`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
