/** What others put into names, tags, metadata and files is shown as text, and can't do anything. */
import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { assetPath, created, getAsset, textAt, uploaded } from "../server/client.ts";
import { startTestServer } from "../server/harness.ts";
import { closeBrowser, open } from "./browser.ts";

Deno.test.afterAll(closeBrowser);

const MARKUP = `"><img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
const SCRIPT_URL = "javascript:document.title='owned'";

/** What an asset is made of when somebody means ill. */
const HOSTILE = {
  asset_tags: [MARKUP, SCRIPT_URL],
  asset_metadata: {
    [MARKUP]: MARKUP,
    url: SCRIPT_URL,
    html: { href: SCRIPT_URL, __proto__: 1, constructor: MARKUP },
    data: "data:text/html,<script>document.title='owned'</script>",
    description: MARKUP,
  },
};

/** Where all links of the page lead. */
function linksOf(page: Page): Promise<string[]> {
  return page.evaluate("[...document.querySelectorAll('a')].map((a) => a.protocol)");
}

async function assertHarmless(page: Page): Promise<void> {
  assert((await page.title()).endsWith("Assets"), await page.title());
  assertEquals(await page.locator("main img, main script, main iframe").count(), 0);
  for (const protocol of await linksOf(page)) assert(/^https?:$/.test(protocol), protocol);
}

Deno.test("Markup and script URLs in names, tags and metadata are shown as text", async () => {
  await using server = await startTestServer();
  for (const version of ["1", "2"]) {
    const file = { name: MARKUP, version, tag: MARKUP, fileName: "a.txt", fileType: "text/html" };
    await uploaded(server, MARKUP, { ...file, more: HOSTILE });
  }
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  await page.getByRole("link", { name: MARKUP }).first().waitFor();
  await assertHarmless(page);
  await page.getByRole("link", { name: MARKUP }).first().click();
  await page.locator(".compare", { hasText: MARKUP }).waitFor();
  await page.locator(".tree", { hasText: SCRIPT_URL }).first().waitFor();
  await assertHarmless(page);
  await page.getByRole("button", { name: "Edit" }).click();
  assertEquals(await page.inputValue("#edit-tags"), HOSTILE.asset_tags.join(", "));
  await page.keyboard.press("Escape");
  await page.locator(".heading").getByRole("button", { name: "Delete" }).click();
  await page.locator("#delete-name", { hasText: MARKUP }).waitFor();
  await assertHarmless(page);
});

Deno.test("A search for markup, and an address with markup, find nothing and do nothing", async () => {
  await using server = await startTestServer();
  await using opened = await open(`${server.url}/ui/#/?q=${encodeURIComponent(MARKUP)}`, { expected: /404/ });
  const { page } = opened;
  await page.locator("#nothing").waitFor();
  assertEquals(await page.inputValue("#search"), MARKUP);
  await assertHarmless(page);
  await page.goto(`${server.url}/ui/#/asset/${encodeURIComponent(SCRIPT_URL)}`);
  await page.locator("h1", { hasText: "No such asset" }).waitFor();
  await page.locator("#problem", { hasText: SCRIPT_URL }).waitFor();
  await assertHarmless(page);
});

Deno.test("A file's name leads neither a download nor a command out of the folder", async () => {
  await using server = await startTestServer();
  const names: Record<string, string> = {
    "../../etc/passwd": "./passwd",
    "..\\..\\run.cmd": "./run.cmd",
    ".bashrc": "./bashrc",
    "-rf": "./-rf",
    "a'b; rm $(x) `y`": `'./a'\\''b; rm $(x) \`y\`'`,
  };
  for (const [index, fileName] of Object.keys(names).entries()) {
    const more = { asset_file_info: { file_name: fileName } };
    await uploaded(server, "x", { name: `file ${index}`, fileName: "harmless", more });
  }
  await using opened = await open(`${server.url}/ui/`);
  const { page } = opened;
  for (const [index, [fileName, inCommand]] of Object.entries(names).entries()) {
    const reference = `file ${index}:1.0-initial`;
    const { body } = await getAsset(server, reference);
    assertEquals(textAt(body, "data.asset_file_info.file_name"), fileName);
    await page.goto(`${server.url}/ui/#${assetPath(reference)}`);
    await page.locator("pre", { hasText: ` -o ${inCommand} ` }).waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Download" }).click(),
    ]);
    assert(!/[/\\]/.test(download.suggestedFilename()), download.suggestedFilename());
  }
});

Deno.test("A file that lives elsewhere is linked only where that is a web address, and without a referrer", async () => {
  await using server = await startTestServer();
  const version = (tag: string) => ({ version: "1", tag });
  const place = "https://example.com/a?b=%22";
  await created(server, { asset_name: "web", asset_version: version("a"), asset_public_url: place });
  await created(server, {
    asset_name: "ftp",
    asset_version: version("a"),
    asset_public_url: "ftp://example.com/a",
  });
  await using opened = await open(`${server.url}/ui/#/asset/web%3A1-a`);
  const { page } = opened;
  const link = page.getByRole("link", { name: "Open" });
  assertEquals(await link.getAttribute("href"), place);
  assertEquals(await link.getAttribute("rel"), "noreferrer noopener");
  await page.goto(`${server.url}/ui/#/asset/ftp%3A1-a`);
  await page.locator("h1", { hasText: "ftp" }).waitFor();
  assertEquals(await page.getByRole("link", { name: "Open" }).count(), 0);
});

Deno.test("The page's policy stops scripts and requests that the page does not have", async () => {
  await using server = await startTestServer();
  await using opened = await open(`${server.url}/ui/`, { expected: /Content Security Policy/ });
  const { page } = opened;
  await page.evaluate(`
    const script = document.createElement("script");
    script.textContent = "document.title = 'owned'";
    document.body.append(script);
    const handler = document.createElement("div");
    handler.setAttribute("onclick", "document.title = 'owned'");
    document.body.append(handler);
    handler.click();
  `);
  const asked = await page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'went', () => 'stopped')");
  assertEquals(asked, "stopped");
  assertEquals(await page.title(), "Assets");
  assert(opened.complaints.some((one) => one.includes("Content Security Policy")));
});
