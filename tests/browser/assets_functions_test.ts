/**
 * Every function of the page of an Assets DB, on the screen of a desk and of a phone, with a pointer and with the keyboard
 * alone. A test also fails if the console complains, or anything is asked of another host (`browser.ts`).
 */
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Locator, Page } from "playwright-core";
import { at, created, getAsset, listAt, query, textAt, uploaded } from "../server/client.ts";
import { startTestServer, type TestServer } from "../server/harness.ts";
import { closeBrowser, open, SCREENS, uploadGate } from "./browser.ts";
import { type Hands, Keyboard, Pointer } from "./hands.ts";

/** What a function is tried with. */
interface Trial {
  page: Page;
  hands: Hands;
  server: TestServer;
  /** A name that no other trial uses. */
  name: string;
  isPhone: boolean;
}

/** What is done with the page, by what it is called. */
const FUNCTIONS: Record<string, (trial: Trial) => Promise<void>> = {
  "Search as you type": async ({ page, hands }) => {
    await hands.type(page.locator("#search"), "LLAma 3.1");
    await shows(page, "1–1 of 1");
    assertEquals(await names(page), ["llama"]);
    await hands.type(page.locator("#search"), "nothing like it");
    await page.locator("#nothing").waitFor();
    await hands.press(page.getByRole("link", { name: "Show everything" }));
    await shows(page, "1–20 of ");
    assertEquals(await page.inputValue("#search"), "");
  },
  "A filter, with help": async ({ page, hands }) => {
    await hands.press(page.locator("#filter-box summary"));
    const filter = page.locator("#filter");
    await hands.type(filter, '{"asset_metadata.quality.score": {"$lt": 0.6}}');
    await shows(page, "1–1 of 1");
    await hands.type(filter, "{");
    await page.locator("#filter-problem", { hasText: "not JSON" }).waitFor();
    assertEquals(await filter.getAttribute("aria-invalid"), "true");
    await hands.press(page.getByRole("button", { name: "a pattern" }));
    await shows(page, "1–2 of 2");
    assertEquals(await names(page), ["llama", "llama"]);
    assertEquals(await page.locator("#filter-problem").textContent(), "");
  },
  "The order": async ({ page, hands }) => {
    await hands.choose(page.getByLabel("Order"), "Name Z–A");
    await page.locator("#rows tr:first-child", { hasText: "zeta 34" }).waitFor();
    await hands.choose(page.getByLabel("Order"), "Name A–Z");
    await page.locator("#rows tr:first-child", { hasText: "llama" }).waitFor();
  },
  "Pages": async ({ page, hands }) => {
    await hands.type(page.locator("#search"), "zeta");
    await shows(page, "1–20 of 25");
    await hands.press(page.getByRole("button", { name: "Next" }));
    await shows(page, "21–25 of 25");
    assert(await page.isDisabled("#next"));
    await hands.press(page.getByRole("button", { name: "Previous" }));
    await shows(page, "1–20 of 25");
    await hands.choose(page.getByLabel("Per page"), "50");
    await shows(page, "1–25 of 25");
  },
  "An asset with its metadata as a tree, and back": async ({ page, hands }) => {
    await hands.type(page.locator("#search"), "llama 3.0");
    await shows(page, "1–1 of 1");
    await hands.press(page.getByRole("link", { name: "llama" }));
    await heading(page, "llama");
    const branch = page.locator("details", { hasText: "quality" }).locator("summary");
    await page.getByText("score").first().waitFor();
    await hands.press(branch);
    await page.locator(".tree").getByText("score").waitFor({ state: "hidden" });
    await hands.press(page.getByRole("link", { name: "All assets" }));
    await shows(page, "1–1 of 1");
    assertEquals(await page.evaluate("document.activeElement.textContent"), "llama");
  },
  "Versions side by side": async ({ page, hands, server, name, isPhone }) => {
    for (let n = 0; n < 9; n++) {
      const more = { asset_metadata: { score: n, same: "x" } };
      await created(server, { asset_name: name, asset_version: { version: `1.${n}`, tag: "a" }, ...more });
    }
    await page.goto(`${server.url}/ui/#/asset/${name}%3A1.2-a`);
    const columns = () => page.locator(".compare thead th").allTextContents();
    await page.locator(".compare").waitFor();
    const newest = isPhone ? ["1.8-a×"] : ["1.8-a×", "1.7-a×", "1.6-a×"];
    assertEquals(await columns(), ["1.2-a (this)", ...newest]);
    await hands.choose(page.getByLabel("Another version, newest first"), "1.0-a");
    await hands.press(page.getByRole("button", { name: "Compare" }));
    await page.locator(".compare th", { hasText: "1.0-a" }).waitFor();
    await hands.press(page.getByRole("button", { name: "Leave out 1.8-a" }));
    await page.locator(".compare th", { hasText: "1.8-a" }).waitFor({ state: "detached" });
    assertEquals((await columns()).slice(0, 2), ["1.2-a (this)", "1.0-a×"]);
    await page.locator("tr.differs", { hasText: "score" }).waitFor();
    await hands.press(page.getByLabel("Differences only"));
    await page.locator(".compare tr", { hasText: "same" }).waitFor({ state: "hidden" });
  },
  "Commands to copy": async ({ page, hands, server }) => {
    await page.goto(`${server.url}/ui/#/asset/llama%3A3.1-base`);
    const copied = async (button: string) => {
      await hands.press(page.getByRole("button", { name: button, exact: true }));
      await page.locator("#status", { hasText: `${button}: copied.` }).waitFor({ state: "attached" });
      return await page.evaluate("navigator.clipboard.readText()");
    };
    assertEquals(await copied("Copy pull"), `assets-server pull llama:3.1-base --server ${server.url}`);
    const id = textAt((await getAsset(server, "llama:3.1-base")).body, "data.asset_id");
    assertEquals(await copied("Copy curl"), `curl -fL -o ./file.bin ${server.url}/asset-object/${id}`);
    assertEquals(await copied("Copy curl of the metadata"), `curl ${server.url}/asset/llama%3A3.1-base`);
  },
  "A download": async ({ page, hands, server }) => {
    await page.goto(`${server.url}/ui/#/asset/llama%3A3.1-base`);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      hands.press(page.getByRole("link", { name: "Download" })),
    ]);
    assertEquals(download.suggestedFilename(), "file.bin");
    assertEquals(await Deno.readTextFile(await download.path()), "second");
  },
  "An upload with all that can be said of it": async ({ page, hands, server, name }) => {
    await hands.press(page.locator("#upload-button"));
    const chooser = await hands.openFiles(page.locator("#upload-files"));
    await chooser.setFiles({ name: `${name}.txt`, mimeType: "text/plain", buffer: bytesOf("hello") });
    await page.locator("#upload-chosen", { hasText: "5 B" }).waitFor();
    await hands.type(page.locator("#upload-name"), name);
    await hands.type(page.locator("#upload-version"), "2.0");
    await hands.type(page.locator("#upload-tag"), "final");
    await hands.type(page.locator("#upload-tags"), "one, two");
    await hands.type(page.locator("#upload-metadata"), "[");
    await hands.press(submit(page, "#upload-form"));
    await page.locator("#upload-problem", { hasText: "not JSON" }).waitFor();
    await hands.type(page.locator("#upload-metadata"), '{"a": {"b": 1}}');
    await hands.press(submit(page, "#upload-form"));
    await hands.press(page.getByRole("link", { name: "Show" }));
    await heading(page, name);
    const { body } = await getAsset(server, `${name}:2.0-final`);
    assertEquals(listAt(body, "data.asset_tags"), ["one", "two"]);
    assertEquals(at(body, "data.asset_metadata.a.b"), 1);
    assertEquals(textAt(body, "data.asset_file_info.file_type"), "text/plain");
  },
  "An upload that is paused, goes on, and another that is cancelled": async (
    { page, hands, server, name },
  ) => {
    const letThrough = await uploadGate(page);
    await hands.press(page.locator("#upload-button"));
    const choose = async (file: string) => {
      letThrough(1);
      const chooser = await hands.openFiles(page.locator("#upload-files"));
      await chooser.setFiles(largeFile);
      await hands.type(page.locator("#upload-name"), file);
      await hands.press(submit(page, "#upload-form"));
      await page.locator('#uploads [data-state="running"]', { hasText: "2.1 MB of 16 MB" }).waitFor();
    };
    await choose(name);
    await hands.press(page.getByRole("button", { name: "Pause" }));
    await page.locator("#uploads", { hasText: "paused at" }).waitFor();
    letThrough(Infinity);
    await hands.press(page.getByRole("button", { name: "Resume" }));
    await page.locator("#uploads", { hasText: "done" }).waitFor();
    await choose(`${name}-2`);
    await hands.press(page.getByRole("button", { name: "Cancel" }).first());
    await page.locator("#uploads li:nth-child(2)").waitFor({ state: "detached" });
    await hands.leave(page.locator("#upload-close"));
    const found = listAt((await query(server, { asset_name: { $regex: `^${name}` } })).body, "data");
    assertEquals(found.map((one) => textAt(one, "asset_name")), [name]);
  },
  "A change of tags and metadata": async ({ page, hands, server, name }) => {
    await uploaded(server, "x", { name });
    await page.goto(`${server.url}/ui/#/asset/${name}%3A1.0-initial`);
    await hands.press(page.getByRole("button", { name: "Edit" }));
    await hands.type(page.locator("#edit-metadata"), "[");
    await hands.press(submit(page, "#edit-form"));
    await page.locator("#edit-problem", { hasText: "not JSON" }).waitFor();
    await hands.type(page.locator("#edit-tags"), "text, checked");
    await hands.type(page.locator("#edit-metadata"), '{"a": {"b": [1, null]}}');
    await hands.press(submit(page, "#edit-form"));
    await page.locator(".facts", { hasText: "checked" }).waitFor();
    assertEquals(
      listAt((await getAsset(server, `${name}:1.0-initial`)).body, "data.asset_metadata.a.b"),
      [1, null],
    );
  },
  "A deletion, confirmed": async ({ page, hands, server, name }) => {
    await uploaded(server, "x", { name });
    await page.goto(`${server.url}/ui/#/asset/${name}%3A1.0-initial`);
    const dialog = page.locator("#delete-dialog");
    await hands.press(page.locator(".heading").getByRole("button", { name: "Delete" }));
    await hands.leave(dialog.getByRole("button", { name: "Keep it" }));
    await dialog.waitFor({ state: "hidden" });
    await hands.press(page.locator(".heading").getByRole("button", { name: "Delete" }));
    await hands.press(dialog.getByRole("button", { name: "Delete" }));
    await page.locator("#list").waitFor();
    assertEquals((await getAsset(server, `${name}:1.0-initial`)).status, 404);
  },
  "A token that is entered and forgotten": async ({ page, hands }) => {
    const button = page.locator("#token-button");
    await hands.press(button);
    await hands.type(page.locator("#token-input"), "anything");
    await hands.press(page.getByRole("button", { name: "Use it" }));
    await page.locator("#token-button", { hasText: "✓" }).waitFor();
    assertEquals(await page.evaluate("[localStorage.length, sessionStorage.length]"), [0, 1]);
    await hands.press(button);
    await hands.press(page.getByRole("button", { name: "Forget it" }));
    await page.locator("#token-button", { hasText: /^Token$/ }).waitFor();
    assertEquals(await page.evaluate("sessionStorage.length"), 0);
    await hands.press(button);
    await hands.leave(page.locator("#token-dialog [data-close]"));
    await page.locator("#token-dialog").waitFor({ state: "hidden" });
  },
};

const names = (page: Page) => page.locator("#rows tr th").allTextContents();
const submit = (page: Page, form: string): Locator => page.locator(`${form} [type=submit]`);

async function shows(page: Page, line: string): Promise<void> {
  await page.locator("#found", { hasText: line }).waitFor();
}

async function heading(page: Page, name: string): Promise<void> {
  await page.locator("h1", { hasText: name }).waitFor();
}

function bytesOf(text: string) {
  return Buffer.from(text);
}

const folder = await Deno.makeTempDir();
const largeFile = `${folder}/large.bin`;
await Deno.writeFile(largeFile, new Uint8Array(16_000_000).map((_, index) => index * 31 >> 5));

let running: Promise<TestServer> | undefined;

/** The server of all trials: two versions of a model, and 25 other assets. */
function server(): Promise<TestServer> {
  running ??= (async () => {
    const started = await startTestServer();
    const meta = (score: number) => ({ asset_tags: ["text"], asset_metadata: { quality: { score } } });
    await uploaded(started, "one", { name: "llama", version: "3.0", tag: "base", more: meta(0.5) });
    await uploaded(started, "second", { name: "llama", version: "3.1", tag: "base", more: meta(0.7) });
    for (let n = 10; n < 35; n++) {
      await created(started, { asset_name: `zeta ${n}`, asset_version: { version: "1", tag: "a" } });
    }
    return started;
  })();
  return running;
}

Deno.test.afterAll(async () => {
  await closeBrowser();
  await (await running)?.[Symbol.asyncDispose]();
  await Deno.remove(folder, { recursive: true });
});

let trials = 0;

for (const [name, use] of Object.entries(FUNCTIONS)) {
  for (const [width, screen] of Object.entries(SCREENS)) {
    for (const isKeyboard of [false, true]) {
      const by = isKeyboard ? "with the keyboard alone" : width === "390" ? "with a finger" : "with a mouse";
      Deno.test(`${name}: ${width} px, ${by}`, async () => {
        const started = await server();
        const permissions = ["clipboard-read", "clipboard-write"];
        await using opened = await open(`${started.url}/ui/`, { ...screen, permissions });
        const { page } = opened;
        await shows(page, "1–20 of ");
        const isPhone = width === "390";
        const hands = isKeyboard ? new Keyboard(page) : new Pointer(page, isPhone);
        await use({ page, hands, server: started, name: `trial-${++trials}`, isPhone });
      });
    }
  }
}
