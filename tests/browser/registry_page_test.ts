/** Every function of the page of a registry, on both screens, with a pointer and with the keyboard alone. */
import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { assertStatus, created, send, uploaded } from "../server/client.ts";
import { json, startTestServer, type TestServer } from "../server/harness.ts";
import { closeBrowser, open, SCREENS } from "./browser.ts";
import { type Hands, Keyboard, Pointer } from "./hands.ts";

/** What a function is tried with. */
interface Trial {
  page: Page;
  hands: Hands;
  servers: Servers;
  isPhone: boolean;
}

interface Servers {
  lab: TestServer;
  registry: TestServer;
}

const card = (page: Page, name: string) => page.locator(".card", { hasText: name });

/** What is done with the page, by what it is called. */
const FUNCTIONS: Record<string, (trial: Trial) => Promise<void>> = {
  "The Assets DBs with their health and its history": async ({ page, hands, isPhone }) => {
    // What needs somebody's eyes comes first.
    await page.locator("#entries-summary", { hasText: "9 registered, 1 healthy" }).waitFor();
    await card(page, "attic 1").locator(".badge-unhealthy").waitFor();
    await card(page, "attic 1").locator("svg .bar-unhealthy").first().waitFor();
    assertEquals(await page.locator(".card").count(), isPhone ? 3 : 6);
    await hands.press(page.getByRole("button", { name: "Show all 9" }));
    await card(page, "The lab").locator(".badge-healthy").waitFor();
    await card(page, "The lab").locator("svg .bar-healthy").first().waitFor();
    await hands.press(page.getByRole("button", { name: "Show fewer" }));
    await page.locator(".card:nth-child(7)").waitFor({ state: "detached" });
  },
  "A check at once": async ({ page, hands }) => {
    const button = page.getByRole("button", { name: "Check now: attic 1" });
    await hands.press(button);
    await page.locator("#problem", { hasText: "could not be reached" }).waitFor();
    assert(await button.evaluate((element) => element === element.ownerDocument.activeElement));
    await hands.press(page.getByRole("button", { name: "Show all 9" }));
    await hands.press(page.getByRole("button", { name: "Check now: The lab" }));
    await page.locator("#problem").waitFor({ state: "hidden" });
  },
  "A search in all of them": async ({ page, hands, servers }) => {
    await page.locator("#found", { hasText: "20 assets in 1 of 9 Assets DBs" }).waitFor();
    await hands.type(page.locator("#search"), "model");
    await page.locator("#found", { hasText: "1 asset in 1 of 9 Assets DBs" }).waitFor();
    await page.locator("#rows tr", { hasText: "The lab" }).waitFor();
    const link = page.getByRole("link", { name: "model" });
    assertEquals(await link.getAttribute("href"), `${servers.lab.url}/ui/#/asset/model%3A1.0-initial`);
    await hands.type(page.locator("#search"), "nothing like it");
    await page.locator("#nothing").waitFor();
    await hands.press(page.locator("#sources summary"));
    await page.locator("#source-rows tr", { hasText: "The lab" }).locator(".badge-ok").waitFor();
    await page.locator("#source-rows tr", { hasText: "attic 1" }).locator(".badge-skipped").waitFor();
  },
  "A filter, an order and pages": async ({ page, hands }) => {
    await hands.choose(page.getByLabel("Order"), "Name Z–A");
    await page.locator("#rows tr:first-child", { hasText: "note 34" }).waitFor();
    await hands.press(page.getByRole("button", { name: "Next" }));
    await page.locator("#found", { hasText: "Page 2, the last: 6 assets" }).waitFor();
    await hands.press(page.getByRole("button", { name: "Previous" }));
    await page.locator("#found", { hasText: "Page 1: 20 assets" }).waitFor();
    await hands.press(page.locator("#filter-box summary"));
    await hands.type(page.locator("#filter"), '{"asset_tags": 5');
    await page.locator("#filter-problem", { hasText: "not JSON" }).waitFor();
    await hands.press(page.getByRole("button", { name: "a tag" }));
    await page.locator("#found", { hasText: "1 asset in" }).waitFor();
  },
};

async function start(): Promise<Servers> {
  const lab = await startTestServer({ publicUrl: "http://assets.example" });
  await uploaded(lab, "x", { name: "model", more: { asset_tags: ["demo"] } });
  for (let n = 10; n < 35; n++) await created(lab, { asset_name: `note ${n}` });
  const registry = await startTestServer({ mode: "registry", healthInterval: "1h" });
  const register = async (id: string, name: string, url: string) => {
    const body = { asset_registry_id: id, asset_registry_name: name, asset_registry_public_url: url };
    assertStatus(await send(registry, "/asset_registry", json("POST", body)), 201);
    await send(registry, `/check_health/${id}`);
  };
  const { assets_db_id } = (await send(lab, "/health")).body;
  await register(String(assets_db_id), "The lab", lab.url);
  for (let n = 1; n < 9; n++) await register(`attic-${n}`, `attic ${n}`, n < 5 ? "http://127.0.0.1:9" : "");
  return { lab, registry };
}

let running: Promise<Servers> | undefined;

Deno.test.afterAll(async () => {
  await closeBrowser();
  for (const server of Object.values(await running ?? {})) await server[Symbol.asyncDispose]();
});

for (const [name, use] of Object.entries(FUNCTIONS)) {
  for (const [width, screen] of Object.entries(SCREENS)) {
    for (const isKeyboard of [false, true]) {
      const by = isKeyboard ? "with the keyboard alone" : width === "390" ? "with a finger" : "with a mouse";
      Deno.test(`${name}: ${width} px, ${by}`, async () => {
        running ??= start();
        const servers = await running;
        await using opened = await open(`${servers.registry.url}/ui/`, { ...screen, expected: /502/ });
        const { page } = opened;
        await page.locator("#rows tr").first().waitFor();
        const hands = isKeyboard ? new Keyboard(page) : new Pointer(page, width === "390");
        await use({ page, hands, servers, isPhone: width === "390" });
      });
    }
  }
}

for (const [width, screen] of Object.entries(SCREENS)) {
  Deno.test(`A registry with a wrong token, and one that goes away: ${width} px`, async () => {
    await using registry = await startTestServer({ mode: "registry", authReadToken: "reader" });
    await using opened = await open(`${registry.url}/ui/`, {
      ...screen,
      expected: /401|ERR_CONNECTION/,
      token: "wrong",
    });
    const { page } = opened;
    await page.locator("#token-reason", { hasText: "not known" }).waitFor();
    await page.fill("#token-input", "reader");
    await page.keyboard.press("Enter");
    await page.locator("#no-entries").waitFor();
    await page.locator("#problem").waitFor({ state: "hidden" });
    const { port } = new URL(registry.url);
    await registry.restart({ port: "0" });
    await page.click("#token-button");
    await page.keyboard.press("Enter");
    await page.locator("#problem", { hasText: "does not answer" }).waitFor();
    await registry.restart({ port });
    await page.click("#token-button");
    await page.keyboard.press("Enter");
    await page.locator("#problem").waitFor({ state: "hidden" });
  });
}
