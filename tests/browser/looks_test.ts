/**
 * Every view and every dialogue of the page, looked at by axe-core on the screen of a desk and of a phone, in light and dark:
 * nothing keeps people out, and nothing is wider than the screen.
 */
import { Buffer } from "node:buffer";
import type { Page } from "playwright-core";
import { assertStatus, created, send, uploaded } from "../server/client.ts";
import { json, startTestServer, type TestServer } from "../server/harness.ts";
import { assertLooksRight, closeBrowser, open, type OpenOptions } from "./browser.ts";

/** A view: where it is, and what leads to it from there. */
interface View extends OpenOptions {
  at: (servers: Servers) => string;
  reach: (page: Page) => Promise<void>;
}

/** What there is to look at. */
interface Servers {
  full: TestServer;
  empty: TestServer;
  locked: TestServer;
  registry: TestServer;
  emptyRegistry: TestServer;
}

const LONG_NAME = `${"long-name-".repeat(50)}:${"9".repeat(250)}-${"t".repeat(250)}`;
const asset = (reference: string) => ({ full }: Servers) =>
  `${full.url}/ui/#/asset/${encodeURIComponent(reference)}`;
const list = ({ full }: Servers) => `${full.url}/ui/`;
const registry = ({ registry }: Servers) => `${registry.url}/ui/`;
const open3 = async (page: Page) => {
  await page.locator("#versions").waitFor();
};

const VIEWS: Record<string, View> = {
  "the list": { at: list, reach: (page) => page.locator("#found", { hasText: "1–20 of " }).waitFor() },
  "the list, empty": {
    at: ({ empty }) => `${empty.url}/ui/`,
    reach: (page) => page.locator("#empty").waitFor(),
  },
  "a search that finds nothing": {
    at: ({ full }) => `${full.url}/ui/#/?q=nothing`,
    reach: (page) => page.locator("#nothing").waitFor(),
  },
  "a filter with a mistake": {
    at: ({ full }) => `${full.url}/ui/#/?filter=%7B`,
    reach: (page) => page.locator("#filter-problem", { hasText: "not JSON" }).waitFor(),
  },
  "a search by beginnings": {
    at: list,
    reach: async (page) => {
      await pretendMillions(page);
      await page.fill("#search", "zeta");
      await page.locator("#wider").waitFor();
    },
  },
  "an asset with versions": { at: asset("llama:3.0-base"), reach: open3 },
  "an asset with long names and a deep tree": {
    at: asset(LONG_NAME),
    reach: (page) => page.locator("h1", { hasText: "long-name" }).waitFor(),
  },
  "an asset that is not there": {
    at: asset("nothing"),
    expected: /404/,
    reach: (page) => page.locator("h1", { hasText: "No such asset" }).waitFor(),
  },
  "the editor": {
    at: asset("llama:3.0-base"),
    reach: async (page) => {
      await open3(page);
      await page.getByRole("button", { name: "Edit" }).click();
      await page.fill("#edit-metadata", "{");
      await page.locator("#edit-form [type=submit]").click();
      await page.locator("#edit-problem", { hasText: "not JSON" }).waitFor();
    },
  },
  "the question before a deletion": {
    at: asset(LONG_NAME),
    reach: (page) => page.locator(".heading").getByRole("button", { name: "Delete" }).click(),
  },
  "uploads that are done, refused, paused, and not finished": {
    at: list,
    expected: /409/,
    reach: async (page) => {
      const file = (name: string) => ({ name, mimeType: "", buffer: Buffer.from(name) });
      await page.evaluate(`localStorage.setItem("assets-server-upload:/:x|3|1", JSON.stringify({
        path: "x", sizeBytes: 3, sentBytes: 1, url: "", metadata: {}, keptAt: Date.now() }))`);
      const paused = Promise.withResolvers<void>();
      await page.route("**/uploads/*", async (route) => {
        if (route.request().postData() === "b.txt") await paused.promise;
        await route.continue().catch(() => {});
      });
      await page.click("#upload-button");
      await page.setInputFiles("#upload-files", [file("llama"), file("a.txt"), file("b.txt")]);
      await page.fill("#upload-version", "3.0");
      await page.fill("#upload-tag", "base");
      await page.locator("#upload-form [type=submit]").click();
      for (const state of ["failed", "done", "running"]) {
        await page.locator(`#uploads [data-state="${state}"]`).waitFor();
      }
      await page.getByRole("button", { name: "Pause: b.txt" }).click();
      await page.locator('#uploads [data-state="paused"]').waitFor();
      paused.resolve();
    },
  },
  "a wrong token": {
    at: ({ locked }) => `${locked.url}/ui/`,
    expected: /401/,
    token: "wrong",
    reach: (page) => page.locator("#token-reason", { hasText: "not known" }).waitFor(),
  },
  "a problem": {
    at: ({ locked }) => `${locked.url}/ui/`,
    expected: /401/,
    reach: async (page) => {
      await page.locator("#token-dialog[open]").waitFor();
      await page.keyboard.press("Escape");
      await page.locator("#problem").waitFor();
    },
  },
  "the API": { at: ({ full }) => `${full.url}/docs`, reach: (page) => page.locator("h1").waitFor() },
  "the API of a registry": {
    at: ({ registry }) => `${registry.url}/docs`,
    reach: (page) => page.locator("h1").waitFor(),
  },
  "a registry without Assets DBs": {
    at: ({ emptyRegistry }) => `${emptyRegistry.url}/ui/`,
    reach: (page) => page.locator("#no-entries").waitFor(),
  },
  "a registry with few and with all of its Assets DBs": {
    at: registry,
    reach: async (page) => {
      await page.locator("#rows tr").first().waitFor();
      await page.getByRole("button", { name: "Show all 9" }).click();
      await page.locator("#entries li:nth-child(9)").waitFor();
      await page.locator("#sources summary").click();
    },
  },
};

/** A collection of millions takes long to make: only the number is said to be so large. */
async function pretendMillions(page: Page): Promise<void> {
  await page.route("**/assets?count=only", (route) => route.fulfill({ json: { success: true, count: 3e6 } }));
  await page.reload();
  await page.locator("#found", { hasText: "of 3,000,000" }).waitFor();
}

async function start(): Promise<Servers> {
  const [full, empty, locked, registry, emptyRegistry] = await Promise.all([
    startTestServer(),
    startTestServer(),
    startTestServer({ authReadToken: "reader" }),
    startTestServer({ mode: "registry", healthInterval: "1s" }),
    startTestServer({ mode: "registry" }),
  ]);
  for (const version of ["3.0", "3.1", "3.2", "3.3", "3.4", "3.5"]) {
    const more = { asset_tags: ["text", "pytorch"], asset_metadata: { version, quality: { score: 1 } } };
    await uploaded(full, version, { name: "llama", version, tag: "base", more });
  }
  let deep: unknown = "the bottom";
  for (let level = 0; level < 20; level++) deep = { [`level ${level}`]: deep, list: [1, null, true, {}, []] };
  const [name = "", rest = ""] = LONG_NAME.split(":");
  const [version = "", tag = ""] = rest.split("-");
  await uploaded(full, "x", {
    name,
    version,
    tag,
    fileName: `${"f".repeat(250)}.bin`,
    more: { asset_tags: Array.from({ length: 40 }, (_, n) => `tag ${n}`), asset_metadata: { deep } },
  });
  for (let n = 0; n < 30; n++) await created(full, { asset_name: `zeta ${n}` });
  for (let n = 0; n < 9; n++) {
    const url = n === 0 ? full.url : n < 5 ? "http://127.0.0.1:9" : "";
    const body = {
      asset_registry_name: `Lab ${n}`,
      asset_registry_tags: ["gpu"],
      asset_registry_public_url: url,
    };
    assertStatus(await send(registry, "/asset_registry", json("POST", body)), 201);
  }
  return { full, empty, locked, registry, emptyRegistry };
}

let running: Promise<Servers> | undefined;

Deno.test.afterAll(async () => {
  await closeBrowser();
  for (const server of Object.values(await running ?? {})) await server[Symbol.asyncDispose]();
});

for (const [name, { at, reach, ...options }] of Object.entries(VIEWS)) {
  Deno.test(`Accessible, and no wider than the screen: ${name}`, async () => {
    running ??= start();
    await using opened = await open(at(await running), options);
    await reach(opened.page);
    await assertLooksRight(opened.page);
  });
}
