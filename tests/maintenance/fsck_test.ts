import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { ConfigError, readConfig } from "../../src/cli/config.ts";
import { json, startTestServer, uploadForm } from "../server/harness.ts";
import { fsck, makeAssets, makeData, upload } from "./fixture.ts";

/** What a check of data in order says. */
const CLEAN = { findings: 0, remaining: 0, kinds: [] };

function verdict({ findings, remaining, kinds }: { findings: number; remaining: number; kinds: string[] }) {
  return { findings, remaining, kinds };
}

Deno.test("fsck finds nothing in the data of a server that has stopped, checksums and large documents included", async () => {
  await using data = await makeAssets(3);
  await data.serve(async (url) => {
    const large = { asset_name: "Large", asset_metadata: { text: "x".repeat(200_000) } };
    assertEquals((await fetch(`${url}/asset`, json("POST", large))).status, 201);
  });
  const checked = await fsck(data.config, { readsFiles: true });
  assertEquals(verdict(checked), CLEAN);
  assertEquals({ documents: checked.documents, files: checked.files }, { documents: 4, files: 3 });
});

Deno.test("fsck leaves nothing in the data folder, and a copy that a crash left goes", async () => {
  await using data = await makeAssets(1);
  await Deno.mkdir(`${data.dataDir}/maintenance-old`);
  await Deno.writeTextFile(`${data.dataDir}/maintenance-old/lock`, "");
  await fsck(data.config);
  const names = (await Array.fromAsync(Deno.readDir(data.dataDir))).map(({ name }) => name);
  assertEquals(names.filter((name) => name.startsWith("maintenance-")), []);
});

Deno.test("fsck refuses a folder or a KV that is not there, and makes none", async () => {
  const config = readConfig({ dataDir: "/tmp/there-is-nothing-here" }, () => undefined);
  await assertRejects(() => fsck(config), ConfigError, "There is no folder");
  await using data = await makeData();
  await assertRejects(() => fsck(data.config), ConfigError, "There is no KV");
  await assertRejects(() => fsck({ ...data.config, db: ":memory:" }), ConfigError, ":memory:");
});

Deno.test("fsck finds an asset whose file is missing; mended, the asset has no file and what it was is kept", async () => {
  await using data = await makeAssets(2);
  const [id = ""] = data.ids;
  await Deno.remove(`${data.dataDir}/objects/asset/${id}`);
  const found = await fsck(data.config);
  assertEquals(verdict(found), { findings: 1, remaining: 1, kinds: ["missing_file"] });
  assertStringIncludes(found.told[0]?.finding.subject ?? "", "A0:1.0-initial");
  const mended = await fsck(data.config, { repairs: true });
  assertEquals({ mended: mended.mended, remaining: mended.remaining }, { mended: 1, remaining: 0 });
  assertEquals(verdict(await fsck(data.config)), CLEAN);
  const kept = JSON.parse(await Deno.readTextFile(`${data.dataDir}/objects/lost+found/assets/${id}.json`));
  assertEquals(kept._object.key, `asset/${id}`);
  await data.serve(async (url) => {
    const { data: asset } = await (await fetch(`${url}/asset/A0:1.0-initial`)).json();
    assertEquals(asset.asset_public_url, "");
    assertEquals(asset.asset_file_info.file_size, "content of 0".length, "what the file was is still known");
    const file = await fetch(`${url}/asset-object/${id}`);
    assertEquals(file.status, 404);
    await file.body?.cancel();
    const listed = await fetch(`${url}/assets`, json("POST", { asset_public_url: "" }));
    assertEquals((await listed.json()).data.length, 1, "the index has it, too");
  });
});

Deno.test("fsck mends nothing where most files are missing, unless it is forced: it may be another store", async () => {
  await using data = await makeAssets(12);
  await Deno.remove(`${data.dataDir}/objects`, { recursive: true });
  const refused = await fsck(data.config, { repairs: true });
  assertEquals({ mended: refused.mended, remaining: refused.remaining }, { mended: 0, remaining: 12 });
  assertStringIncludes(refused.told[0]?.finding.remedy ?? "", "--force");
  const forced = await fsck(data.config, { repairs: true, isForced: true });
  assertEquals({ mended: forced.mended, remaining: forced.remaining }, { mended: 12, remaining: 0 });
});

Deno.test("fsck finds a file of another size at once and a changed byte with checksums; mended, both are kept aside", async () => {
  await using data = await makeAssets(2);
  const [shorter = "", changed = ""] = data.ids.map((id) => `${data.dataDir}/objects/asset/${id}`);
  await Deno.writeTextFile(shorter, "short");
  await Deno.writeTextFile(changed, "CONTENT of 1");
  assertEquals((await fsck(data.config)).kinds, ["damaged_file"]);
  assertEquals((await fsck(data.config, { readsFiles: true })).kinds, ["damaged_file", "damaged_file"]);
  const mended = await fsck(data.config, { repairs: true, readsFiles: true });
  assertEquals({ mended: mended.mended, remaining: mended.remaining }, { mended: 2, remaining: 0 });
  const aside = changed.replace("objects/asset", "objects/lost+found/asset");
  assertEquals(await Deno.readTextFile(aside), "CONTENT of 1");
  assertEquals(verdict(await fsck(data.config, { readsFiles: true })), CLEAN);
});

Deno.test("fsck finds a file that belongs to no asset; mended, it is in lost+found", async () => {
  await using data = await makeAssets(1);
  await Deno.writeTextFile(`${data.dataDir}/objects/asset/stray`, "stray");
  assertEquals(verdict(await fsck(data.config)), { findings: 1, remaining: 1, kinds: ["stray_file"] });
  assertEquals((await fsck(data.config, { repairs: true })).remaining, 0);
  assertEquals(await Deno.readTextFile(`${data.dataDir}/objects/lost+found/asset/stray`), "stray");
  assertEquals(verdict(await fsck(data.config)), CLEAN);
});

Deno.test("fsck finds an unfinished write that nobody knows and removes it, but not one of the journal", async () => {
  await using data = await makeAssets(1);
  for (const id of ["known", "unknown"]) {
    await Deno.mkdir(`${data.dataDir}/objects/.tmp/write-${id}/asset`, { recursive: true });
    await Deno.writeTextFile(`${data.dataDir}/objects/.tmp/write-${id}/asset/${id}`, "half");
  }
  const id = (await Deno.readTextFile(`${data.dataDir}/assets_db_id`)).trim();
  const entry = { objectKey: "asset/known", touchedAt: Date.now(), owner: "somebody" };
  await data.damage(async (kv) => void await kv.set(["pending", id, "known"], entry));
  const found = await fsck(data.config);
  assertEquals({ ...verdict(found), pending: found.pending }, {
    findings: 1,
    remaining: 1,
    kinds: ["unfinished_write"],
    pending: 1,
  });
  assertEquals((await fsck(data.config, { repairs: true })).remaining, 0);
  const left = await Array.fromAsync(Deno.readDir(`${data.dataDir}/objects/.tmp`));
  assertEquals(left.map(({ name }) => name), ["write-known"]);
});

Deno.test("fsck finds unique keys without their document and documents without their keys, and mends both", async () => {
  await using data = await makeAssets(2);
  const [id = ""] = data.ids;
  await data.damage(async (kv) => {
    await kv.set(["unique", "assets", "asset_uri", "Ghost:1-a"], "no-such-document");
    await kv.set(["unique", "assets", "asset_uri", "Moved:1-a"], id);
    await kv.delete(["unique", "assets", "asset_uri", "A1:1.0-initial"]);
  });
  const found = await fsck(data.config);
  assertEquals(found.kinds.sort(), ["missing_unique_key", "stray_unique_key", "stray_unique_key"]);
  assertEquals((await fsck(data.config, { repairs: true })).remaining, 0);
  assertEquals(verdict(await fsck(data.config)), CLEAN);
  await data.serve(async (url) => {
    assertEquals((await fetch(`${url}/asset/A1:1.0-initial`, { method: "HEAD" })).status, 200);
    assertEquals((await fetch(`${url}/asset`, json("POST", ghost()))).status, 201, "the name is free again");
  });
});

function ghost() {
  return { asset_name: "Ghost", asset_version: { version: "1", tag: "a" } };
}

Deno.test("fsck leaves two documents with one unique value to a person", async () => {
  await using data = await makeAssets(2);
  const [one = "", two = ""] = data.ids;
  await data.damage(async (kv) => {
    const { value } = await kv.get<Uint8Array>(["doc", "assets", two]);
    const asset = JSON.parse(new TextDecoder().decode(value ?? undefined));
    asset.asset_uri = "A0:1.0-initial";
    asset.asset_name = "A0";
    await kv.set(["doc", "assets", two], new TextEncoder().encode(JSON.stringify(asset)));
    await kv.delete(["unique", "assets", "asset_uri", "A1:1.0-initial"]);
  });
  await Deno.remove(`${data.dataDir}/assets.view.sqlite`);
  const checked = await fsck(data.config, { repairs: true });
  assertEquals(verdict(checked), { findings: 1, remaining: 1, kinds: ["contested_unique_key"] });
  assertStringIncludes(checked.told[0]?.finding.problem ?? "", one);
});

Deno.test("fsck finds pieces without a document, and a document without a piece: a server comes up after the repair", async () => {
  await using data = await makeAssets(1);
  const large = { asset_name: "Large", asset_metadata: { text: "x".repeat(200_000) } };
  const id = await data.serve(async (url) =>
    (await (await fetch(`${url}/asset`, json("POST", large))).json()).data.id
  );
  await data.damage(async (kv) => {
    await kv.set(["chunk", "assets", "nobody", 0], new Uint8Array(10));
    await kv.delete(["chunk", "assets", id, 1]);
  });
  const found = await fsck(data.config);
  assert(found.kinds.includes("damaged_document") && found.kinds.includes("stray_piece"), found.kinds.join());
  const mended = await fsck(data.config, { repairs: true });
  assertEquals(mended.remaining, 0);
  const aside = await Deno.readTextFile(`${data.dataDir}/objects/lost+found/assets/${id}.damaged`);
  assertStringIncludes(aside, "Large");
  assertEquals(verdict(await fsck(data.config)), CLEAN);
  await data.serve(async (url) => {
    const { data: all } = await (await fetch(`${url}/assets`, json("POST", {}))).json();
    assertEquals(all.length, 1);
  });
});

for (
  const { what, sql } of [
    { what: "lacks a document", sql: "DELETE FROM doc WHERE ord = (SELECT min(ord) FROM doc)" },
    { what: "has another text of a document", sql: "UPDATE doc SET json = replace(json, 'A0', 'B0')" },
    { what: "lacks a value", sql: "DELETE FROM posting WHERE value = 'A0'" },
    { what: "has a value of nobody", sql: "INSERT INTO posting VALUES (1, 'nobody', 99999)" },
    { what: "counts wrongly", sql: "UPDATE meta SET value = 7 WHERE key = 'documents'" },
  ]
) {
  Deno.test(`fsck finds an index that ${what}; removed, it is built anew`, async () => {
    await using data = await makeAssets(2);
    const db = new DatabaseSync(`${data.dataDir}/assets.view.sqlite`);
    db.exec(sql);
    db.close();
    assertEquals(verdict(await fsck(data.config)), { findings: 1, remaining: 1, kinds: ["wrong_index"] });
    assertEquals((await fsck(data.config, { repairs: true })).remaining, 0);
    await data.serve(async (url) => {
      const { data: all } = await (await fetch(`${url}/assets`, json("POST", { asset_name: "A0" }))).json();
      assertEquals(all.length, 1);
    });
    assertEquals(verdict(await fsck(data.config)), CLEAN);
  });
}

Deno.test("fsck --repair refuses while a server has the data folder", async () => {
  await using server = await startTestServer();
  const error = await assertRejects(() => fsck(server.config, { repairs: true }), Error, "in use");
  assertStringIncludes(error.message, server.dataDir);
});

Deno.test("fsck beside a busy server finds nothing, and no write of the server fails", async () => {
  await using server = await startTestServer();
  const abort = new AbortController();
  const statuses = new Set<number>();
  const work = Array.from({ length: 4 }, async (_, worker) => {
    for (let n = 0; !abort.signal.aborted; n++) {
      const name = `W${worker}-${n}`;
      await upload(server.url, name, name);
      const update = json("PUT", { asset_tags: ["updated"] });
      const answers = [await fetch(`${server.url}/asset/${name}:1.0-initial`, update)];
      if (n % 2 === 0) {
        answers.push(await fetch(`${server.url}/asset/${name}:1.0-initial`, { method: "DELETE" }));
      }
      for (const answer of answers) {
        statuses.add(answer.status);
        await answer.body?.cancel();
      }
    }
  });
  const form = uploadForm("slow", { name: "Slow" });
  const whole = new Response(form);
  const type = whole.headers.get("Content-Type") ?? "";
  const bytes = new Uint8Array(await whole.arrayBuffer());
  const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
  const slow = fetch(`${server.url}/upload_asset`, {
    method: "POST",
    headers: { "Content-Type": type },
    body: new ReadableStream({
      async pull(controller) {
        controller.enqueue(bytes.slice(0, -30));
        await mayEnd;
        controller.enqueue(bytes.slice(-30));
        controller.close();
      },
    }),
  });
  try {
    for (let n = 0; n < 8; n++) {
      const checked = await fsck(server.config, { readsFiles: n % 2 === 0 });
      assertEquals(verdict(checked), CLEAN, JSON.stringify(checked.told));
    }
  } finally {
    end();
    abort.abort();
    await Promise.allSettled([...work, slow]);
  }
  assertEquals((await slow).status, 201);
  await (await slow).body?.cancel();
  await Promise.all(work);
  assertEquals([...statuses], [200]);
});

Deno.test("fsck works on the data of a registry", async () => {
  await using data = await makeData({ mode: "registry" });
  await data.serve(async (url) => {
    const entry = { asset_registry_name: "Lab", asset_registry_id: "lab" };
    assertEquals((await fetch(`${url}/asset_registry`, json("POST", entry))).status, 201);
  });
  assertEquals(verdict(await fsck(data.config)), CLEAN);
  await data.damage(async (kv) => void await kv.delete(["unique", "registries", "asset_registry_id", "lab"]));
  assertEquals((await fsck(data.config, { repairs: true })).kinds, ["missing_unique_key"]);
  assertEquals(verdict(await fsck(data.config)), CLEAN);
});
