/** The pages as HTTP serves them, and their scripts as they were made. */
import { assert, assertEquals } from "@std/assert";
import { bundle, PAGES, scriptPath } from "../../scripts/bundle_page.ts";
import { send } from "../server/client.ts";
import { startTestServer } from "../server/harness.ts";

for (const page of PAGES) {
  Deno.test(`The committed script of the page ${page} is what its modules make`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await bundle(page, `${folder}/page.js`);
      const [made, committed] = await Promise.all(
        [`${folder}/page.js`, scriptPath(page)].map((path) => Deno.readTextFile(path)),
      );
      assert(made === committed, "It is not up to date: deno task bundle");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("/ sends browsers to the page, and tells others what this is", async () => {
  await using server = await startTestServer();
  const browser = await send(server, "/", { headers: { Accept: "text/html,*/*;q=0.8" } });
  assertEquals([browser.status, browser.headers.get("Location")], [302, "ui/"]);
  const curl = await send(server, "/", { headers: { Accept: "*/*" } });
  assert(curl.text.includes("/docs") && curl.text.split("\n").length < 8, curl.text);
});

for (const mode of ["assets-db", "registry"]) {
  Deno.test(`/ui/ of ${mode} needs no token, and its policy lets in nothing from elsewhere`, async () => {
    await using server = await startTestServer({ mode, authReadToken: "read" });
    const page = await send(server, "/ui/");
    assertEquals(page.status, 200);
    const policy = page.headers.get("Content-Security-Policy") ?? "";
    assert(policy.includes("default-src 'none'") && policy.includes("frame-ancestors 'none'"), policy);
    assert(!/unsafe|https?:|\*/.test(policy), policy);
    assert(!/\son\w+=|style=|<script>|<style/.test(page.text), "something inline");
    for (const [, address = ""] of page.text.matchAll(/\b(?:src|href)="([^"#]+)"/g)) {
      const target = await fetch(new URL(address, `${server.url}/ui/`));
      await target.body?.cancel();
      assertEquals(target.status, 200, address);
    }
    const bare = await fetch(`${server.url}/ui`, { redirect: "manual" });
    await bare.body?.cancel();
    assertEquals([bare.status, bare.headers.get("Location")], [308, "ui/"]);
  });
}
