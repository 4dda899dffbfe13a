/** What is typed into the search box of the page, as filters that a server answers. */
import { assert, assertEquals } from "@std/assert";
import { allOf, anywhereFilter, beginningFilters } from "../../web/search_words.ts";
import { at, created, listAt, query, send, textAt } from "../server/client.ts";
import { json, startTestServer, type TestServer } from "../server/harness.ts";

async function fill(server: TestServer): Promise<void> {
  const asset = (name: string, version: string, tags: string[], description = "") =>
    created(server, {
      asset_name: name,
      asset_version: { version, tag: "base" },
      asset_tags: tags,
      asset_metadata: { description },
    });
  await asset("llama", "3.0", ["text"]);
  await asset("Llama", "3.1", ["Text"], "Reads pictures.");
  await asset("LLAMA (old)", "1.0", []);
  await asset("tiny llama", "1.1", ["pytorch"]);
  await asset("a.c", "1.0", []);
  await asset("abc", "1.0", ["llama"]);
}

/** The names that the first of the filters finds which finds something. */
async function found(server: TestServer, filters: ReturnType<typeof beginningFilters>): Promise<string[]> {
  for (const filter of filters) {
    const names = listAt((await query(server, filter)).body, "data").map((one) => textAt(one, "asset_name"));
    if (names.length > 0) return names;
  }
  return [];
}

Deno.test("beginningFilters() finds what begins so, in the usual spellings, and what has such tags", async () => {
  await using server = await startTestServer();
  await fill(server);
  assertEquals(await found(server, beginningFilters("llama")), ["llama", "Llama", "LLAMA (old)", "abc"]);
  assertEquals(await found(server, beginningFilters("TEX")), ["llama", "Llama"]);
  assertEquals(await found(server, beginningFilters("tex")), ["llama", "Llama"]);
  assertEquals(await found(server, beginningFilters("lama")), []);
});

Deno.test("beginningFilters() takes further words as the beginnings of names, versions and tags", async () => {
  await using server = await startTestServer();
  await fill(server);
  assertEquals(await found(server, beginningFilters(" tiny  llama ")), ["tiny llama"]);
  assertEquals(await found(server, beginningFilters("llama 3.1")), ["Llama"]);
  assertEquals(await found(server, beginningFilters("llama base text 3")), ["llama", "Llama"]);
  assertEquals(await found(server, beginningFilters("llama:3.0-b")), ["llama"]);
});

Deno.test("beginningFilters() are answered by the index alone", async () => {
  await using server = await startTestServer();
  await fill(server);
  const [filter] = beginningFilters("llama");
  const { body } = await send(server, "/assets?limit=20&explain=true", json("POST", filter));
  assertEquals(at(body, "explain.exact"), true);
  assertEquals(at(body, "explain.tested"), 0);
  assert(textAt(body, "explain.leads").includes('asset_name ≥ "llama"'), textAt(body, "explain.leads"));
});

Deno.test("anywhereFilter() finds each word inside names, tags and descriptions, whatever their case", async () => {
  await using server = await startTestServer();
  await fill(server);
  assertEquals(await found(server, [anywhereFilter("LAMA")]), [
    "llama",
    "Llama",
    "LLAMA (old)",
    "tiny llama",
    "abc",
  ]);
  assertEquals(await found(server, [anywhereFilter("torch")]), ["tiny llama"]);
  assertEquals(await found(server, [anywhereFilter("ictures 3.1")]), ["Llama"]);
});

Deno.test("What means something in a pattern is found as it is", async () => {
  await using server = await startTestServer();
  await fill(server);
  assertEquals(await found(server, beginningFilters("a.c")), ["a.c"]);
  assertEquals(await found(server, [anywhereFilter("(OLD)")]), ["LLAMA (old)"]);
  assertEquals(await found(server, [anywhereFilter("[")]), []);
});

Deno.test("allOf() adds nothing to one filter", () => {
  assertEquals(allOf([]), {});
  assertEquals(allOf([{ a: 1 }]), { a: 1 });
  assertEquals(allOf([{ a: 1 }, { b: 2 }]), { $and: [{ a: 1 }, { b: 2 }] });
});
