/** Every function of the page that asks the server: with a wrong token, and while the server is away. */
import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Page } from "playwright-core";
import { assertStatus, getAsset, listAt, putAsset, uploaded } from "../server/client.ts";
import { json, startTestServer, type TestServer, uploadForm } from "../server/harness.ts";
import { closeBrowser, open, type OpenOptions, SCREENS, type WatchedPage } from "./browser.ts";

Deno.test.afterAll(closeBrowser);

/** A function that asks the server. */
interface Asking {
  /** What makes it possible, while the server answers. */
  prepare?: (page: Page) => Promise<void>;
  /** What asks. */
  ask: (page: Page) => Promise<void>;
  /** Where it says what went wrong; without it, at the top of the page. */
  says?: string;
  /** What tells that it worked. */
  works: (page: Page) => Promise<void>;
}

const openAsset = async (page: Page, name: string) => {
  await page.evaluate(`location.hash = '#/asset/${name}%3A1.0-initial'`);
  await page.locator("#versions").waitFor();
};

const showsOnly = (page: Page) => page.locator("#rows", { hasText: "only" }).first().waitFor();

const FUNCTIONS: Record<string, Asking> = {
  "a search": {
    ask: async (page) => {
      await page.fill("#search", "");
      await page.fill("#search", "only");
    },
    works: showsOnly,
  },
  "a filter": {
    prepare: (page) => page.locator("#filter-box summary").click(),
    ask: (page) => page.locator("#filter").fill('{"asset_name": "only"}'),
    works: showsOnly,
  },
  "the next page": {
    ask: (page) => page.locator("#next").click(),
    works: (page) => page.locator("#found", { hasText: "21–" }).waitFor(),
  },
  "an asset": {
    ask: async (page) => {
      await page.evaluate("location.hash = '#/'");
      await page.evaluate("location.hash = '#/asset/only%3A1.0-initial'");
    },
    works: (page) => page.locator("h1", { hasText: "only" }).waitFor(),
  },
  "another version": {
    prepare: (page) => openAsset(page, "only"),
    ask: async (page) => {
      await page.locator("#version-choice").selectOption({ label: "0.0-initial" });
      await page.getByRole("button", { name: "Compare" }).click();
    },
    works: (page) => page.locator(".compare th", { hasText: "0.0-initial" }).waitFor(),
  },
  "a change": {
    prepare: async (page) => {
      await openAsset(page, "only");
      await page.getByRole("button", { name: "Edit" }).click();
    },
    ask: async (page) => {
      await page.fill("#edit-tags", "changed");
      await page.locator("#edit-form [type=submit]").click();
    },
    says: "#edit-problem",
    works: (page) => page.locator("#edit-dialog").waitFor({ state: "hidden" }),
  },
  "an upload": {
    prepare: async (page) => {
      await page.click("#upload-button");
      await page.setInputFiles("#upload-files", { name: "new", mimeType: "", buffer: Buffer.from("new") });
    },
    ask: async (page) => {
      const again = page.getByRole("button", { name: "Try again: new" });
      if (await again.isVisible()) await again.click();
      else await page.locator("#upload-form [type=submit]").click();
    },
    says: "#uploads",
    works: (page) => page.locator("#uploads", { hasText: "done" }).waitFor(),
  },
  "a deletion": {
    prepare: (page) => openAsset(page, "gone"),
    ask: async (page) => {
      await page.locator(".heading").getByRole("button", { name: "Delete" }).click();
      await page.locator("#delete-form [type=submit]").click();
    },
    works: (page) => page.locator("#list").waitFor(),
  },
};

/** A server with tokens: an asset in six versions, one to delete, and others for a second page. */
async function start(): Promise<TestServer> {
  const server = await startTestServer({ authReadToken: "reader", authWriteToken: "writer" });
  const authorization = { Authorization: "Bearer writer" };
  const post = async (path: string, init: RequestInit) => {
    const answer = await fetch(server.url + path, init);
    await answer.body?.cancel();
    assertEquals(answer.status, 201);
  };
  for (const version of ["0.0", "0.1", "0.2", "0.3", "0.4", "1.0"]) {
    const body = uploadForm("x", { name: "only", version });
    await post("/upload_asset", { method: "POST", body, headers: authorization });
  }
  for (const version of ["1.0", "2.0"]) {
    const body = uploadForm("x", { name: "gone", version });
    await post("/upload_asset", { method: "POST", body, headers: authorization });
  }
  for (let n = 0; n < 20; n++) {
    await post("/asset", json("POST", { asset_name: `other ${n}` }, authorization));
  }
  return server;
}

/** Enters a token in the dialog. */
async function enter(page: Page, token: string): Promise<void> {
  if (!await page.locator("#token-dialog").isVisible()) await page.click("#token-button");
  const asset = page.locator("#versions");
  const hasAsset = await asset.count() > 0;
  if (hasAsset) await asset.evaluate((element) => element.setAttribute("data-old", ""));
  await page.fill("#token-input", token);
  await page.keyboard.press("Enter");
  await page.locator("#token-dialog").waitFor({ state: "hidden" });
  // With another token the asset is read again.
  if (hasAsset) await page.locator("#versions:not([data-old])").waitFor({ state: "attached" });
}

/** Puts a token in the place of the one in use, as if the server had been given others meanwhile. */
async function replaceToken(page: Page, token: string): Promise<void> {
  await page.evaluate(`sessionStorage.setItem("assets-server-token", ${JSON.stringify(token)})`);
}

/** Says which function it was that failed. */
async function named(name: string, action: () => Promise<void>): Promise<void> {
  await action().catch((cause) => {
    throw new Error(`${name}: ${cause}`);
  });
}

/** Does something with the page of each function. */
async function forEach(
  pages: Map<string, WatchedPage>,
  action: (page: Page, asking: Asking) => Promise<void>,
): Promise<void> {
  for (const [name, asking] of Object.entries(FUNCTIONS)) {
    const page = pages.get(name)?.page;
    if (page === undefined) throw new Error(`There is no page for ${name}.`);
    await named(name, () => action(page, asking));
  }
}

async function openAll(server: TestServer, options: OpenOptions): Promise<Map<string, WatchedPage>> {
  const pages = new Map<string, WatchedPage>();
  for (const name of Object.keys(FUNCTIONS)) {
    const opened = await open(`${server.url}/ui/`, { ...options, token: "writer" });
    pages.set(name, opened);
  }
  await forEach(pages, async (page, { prepare }) => {
    await page.locator("#found", { hasText: "of 28" }).waitFor();
    await prepare?.(page);
  });
  return pages;
}

async function closeAll(pages: Map<string, WatchedPage>): Promise<void> {
  for (const page of pages.values()) await page[Symbol.asyncDispose]();
}

for (const [width, screen] of Object.entries(SCREENS)) {
  Deno.test(`Without a token, with a wrong one, with one that may only read: ${width} px`, async () => {
    await using server = await start();
    await using opened = await open(`${server.url}/ui/`, { ...screen, expected: /40[13]/ });
    const { page } = opened;
    await page.locator("#token-reason", { hasText: "wants an access token" }).waitFor();
    await page.fill("#token-input", "wrong");
    await page.keyboard.press("Enter");
    await page.locator("#token-reason", { hasText: "not known" }).waitFor();
    await enter(page, "reader");
    await page.locator("#found", { hasText: "of 28" }).waitFor();
    await openAsset(page, "only");
    await page.getByRole("button", { name: "Edit" }).click();
    await page.fill("#edit-tags", "changed");
    await page.locator("#edit-form [type=submit]").click();
    await page.locator("#token-dialog[open]").waitFor();
    await page.locator("#edit-problem", { hasText: /token/ }).waitFor();
    assertEquals(await page.evaluate("[localStorage.length, sessionStorage.length]"), [0, 1]);
  });

  Deno.test(`With a wrong token every function asks for another, and works with it: ${width} px`, async () => {
    await using server = await start();
    await using opened = await open(`${server.url}/ui/`, { ...screen, expected: /401/, token: "writer" });
    const { page } = opened;
    for (const [name, { prepare, ask, says = "#problem", works }] of Object.entries(FUNCTIONS)) {
      await named(name, async () => {
        // With another query it is another page, which is loaded anew.
        await page.goto(`${server.url}/ui/?${encodeURIComponent(name)}`);
        await page.locator("#found", { hasText: "1–20 of " }).waitFor();
        await prepare?.(page);
        await replaceToken(page, "wrong");
        await ask(page);
        await page.locator("#token-reason", { hasText: "not known" }).waitFor();
        await page.locator(says, { hasText: "not known" }).waitFor({ state: "attached" });
        await enter(page, "writer");
        await ask(page);
        await works(page);
      });
    }
  });

  Deno.test(`While the server is away every function says so, and works when it is back: ${width} px`, async () => {
    await using server = await start();
    const { port } = new URL(server.url);
    const pages = await openAll(server, { ...screen, expected: /ERR_CONNECTION/ });
    await server.restart({ port: "0" });
    await forEach(pages, async (page, { ask, says = "#problem" }) => {
      await ask(page);
      await page.locator(says, { hasText: "does not answer" }).waitFor();
    });
    await server.restart({ port });
    await forEach(pages, async (page, { ask, works }) => {
      await ask(page);
      await works(page);
    });
    await closeAll(pages);
  });
}

Deno.test("A change of what somebody else has changed meanwhile is refused", async () => {
  await using server = await startTestServer();
  await uploaded(server, "x", { name: "shared" });
  await using opened = await open(`${server.url}/ui/#/asset/shared%3A1.0-initial`, { expected: /412/ });
  const { page } = opened;
  await page.getByRole("button", { name: "Edit" }).click();
  assertStatus(await putAsset(server, "shared:1.0-initial", { asset_tags: ["theirs"] }), 200);
  await page.fill("#edit-tags", "mine");
  await page.locator("#edit-form [type=submit]").click();
  await page.locator("#edit-problem", { hasText: "meanwhile" }).waitFor();
  assertEquals(listAt((await getAsset(server, "shared:1.0-initial")).body, "data.asset_tags"), ["theirs"]);
});
