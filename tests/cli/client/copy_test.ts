/** `assets-server import --from` against real servers, and against one that answers as AIOSv1's Python service does. */
import { assert, assertEquals } from "@std/assert";
import { asJsonObject, type Json, type JsonObject } from "../../../src/collection/json.ts";
import { S3Store } from "../../../src/objects/s3_store.ts";
import { startS3rver } from "../../objects/s3rver.ts";
import { at, created, getAsset, listAt, namesOf, objectKeys, query, uploaded } from "../../server/client.ts";
import { refusedUrl, startFake } from "../../server/fake_server.ts";
import { startTestServer } from "../../server/harness.ts";
import { assertOneLine, User } from "../command_line.ts";

/** A document as the Python service keeps it: the size of a file is unknown, and there is no checksum. */
function oldDocument(name: string, id: string, url: string): JsonObject {
  return {
    asset_uri: `${name}:1.0-initial`,
    asset_name: name,
    asset_id: id,
    assets_db_id: "",
    asset_version: { version: "1.0", tag: "initial" },
    asset_metadata: { description: `the ${name}` },
    asset_public_url: url,
    asset_file_info: id === "" ? {} : { file_type: "image/png", file_size: 0 },
    asset_tags: ["old"],
  };
}

/** The Python service: it knows no pages, no NDJSON and no codes, and answers all trouble with a file by 500. */
function startOldService(documents: JsonObject[], files: Record<string, () => BodyInit>) {
  return startFake((request) => {
    const { pathname } = new URL(request.url);
    if (request.method === "POST" && pathname === "/assets") {
      return Response.json({ success: true, data: documents });
    }
    const file = files[pathname.replace("/asset-object/", "")];
    if (file) {
      return new Response(file(), { headers: { "Content-Type": "image/png", "Content-Length": "20" } });
    }
    return Response.json({ success: false, message: "no such key" }, { status: 500 });
  });
}

const CONTENT = "twenty bytes of file";

Deno.test("import --from copies documents and files of an AIOSv1 service, ids included, and can be repeated", async () => {
  const url = "http://assets-registry.old:31700/asset-object/id-1";
  const documents = [
    oldDocument("a/b", "id-1", url),
    oldDocument("away", "", "https://example.com/m.bin"),
    { ...oldDocument("bare", "", ""), asset_uri: "", asset_version: { version: "", tag: "" } },
  ];
  await using old = startOldService(documents, { "id-1": () => CONTENT });
  await using server = await startTestServer();
  await using user = await User.create(server);
  const first = await user.run(["import", "--from", old.url]);
  assertEquals([first.code, first.stderr], [0, "3 assets copied\n"]);
  assertEquals(first.stdout.trimEnd().split("\n").sort(), ["a/b:1.0-initial", "away:1.0-initial", "bare"]);
  const copy = asJsonObject(at((await getAsset(server, "a/b:1.0-initial")).body, "data"));
  assertEquals(copy.asset_id, "id-1");
  assertEquals(copy.asset_public_url, `http://localhost:${new URL(server.url).port}/asset-object/id-1`);
  assertEquals(copy.asset_metadata, { description: "the a/b" });
  const info = asJsonObject(copy.asset_file_info);
  assertEquals([info.file_name, info.file_type, info.file_size], ["b", "image/png", CONTENT.length]);
  assertEquals(await (await fetch(`${server.url}/asset-object/id-1`)).text(), CONTENT);
  const again = await user.run(["import", "--from", old.url]);
  assertEquals([again.code, again.stderr], [0, "0 assets copied, 3 were there already\n"]);
  assertEquals((await namesOf(server, {})).length, 3);
});

Deno.test("export reads an AIOSv1 service, too", async () => {
  await using old = startOldService([oldDocument("a", "", "https://example.com/a")], {});
  await using user = await User.create(old);
  assertEquals(JSON.parse(await user.succeed(["export"])).asset_name, "a");
});

Deno.test("import --from names what it cannot copy, copies the rest, and exits 1", async () => {
  const documents = ["gone", "taken", "good"].map((name) =>
    oldDocument(name, `id-${name}`, `http://127.0.0.1:1/asset-object/id-${name}`)
  );
  const files = { "id-taken": () => CONTENT, "id-good": () => CONTENT };
  await using old = startOldService(documents, files);
  await using server = await startTestServer();
  await using user = await User.create(server);
  await uploaded(server, "another", { name: "taken" });
  const { code, stdout, stderr } = await user.run(["import", "--from", old.url]);
  assertEquals([code, stdout], [1, "good:1.0-initial\n"]);
  assert(stderr.includes("gone:1.0-initial: Its file could not be had: no such key"), stderr);
  assert(stderr.includes('taken:1.0-initial: Another asset has the asset_uri "taken:1.0-initial"'), stderr);
  assert(stderr.trimEnd().endsWith("assets-server: 2 assets could not be copied."), stderr);
});

Deno.test("import --from-bucket takes the files from the bucket of a service that no longer gives them", async () => {
  const s3 = await startS3rver("old");
  try {
    const bucket = new S3Store({ ...s3, addressing: "path" });
    await bucket.put("asset/id-1", new Blob([CONTENT]).stream(), { contentType: "image/png" });
    const documents = ["id-1", "id-2"].map((id) =>
      oldDocument(`of ${id}`, id, `http://127.0.0.1:1/asset-object/${id}`)
    );
    await using old = startOldService(documents, {});
    await using server = await startTestServer();
    await using user = await User.create(server, {
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
      S3_ENDPOINT_URL: s3.endpoint,
    });
    const { code, stdout, stderr } = await user.run(["import", "--from", old.url, "--from-bucket", "old"]);
    assertEquals([code, stdout], [1, "of id-1:1.0-initial\n"], stderr);
    assert(stderr.includes("of id-2:1.0-initial: Its file could not be had: there is no asset/id-2"), stderr);
    assertEquals(await (await fetch(`${server.url}/asset-object/id-1`)).text(), CONTENT);
  } finally {
    await s3.stop();
  }
});

Deno.test("import --from makes nothing of half a file, and tries again", async () => {
  let tries = 0;
  const half = () =>
    new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(CONTENT.slice(0, 10)));
        if (++tries === 1) controller.error(new Error("broken off"));
        else {
          controller.enqueue(new TextEncoder().encode(CONTENT.slice(10)));
          controller.close();
        }
      },
    });
  const url = "http://127.0.0.1:1/asset-object/id-1";
  await using old = startOldService([oldDocument("a", "id-1", url)], { "id-1": half });
  await using server = await startTestServer();
  await using user = await User.create(server);
  await user.succeed(["import", "--from", old.url]);
  assertEquals(tries, 2);
  assertEquals((await objectKeys(server)).length, 1);
  assertEquals(await (await fetch(`${server.url}/asset-object/id-1`)).text(), CONTENT);
});

Deno.test("import --from copies what words find, with a token for each server, and compares checksums", async () => {
  await using from = await startTestServer({ authWriteToken: "w", authReadToken: "r" });
  await using to = await startTestServer({ authWriteToken: "target" });
  await using user = await User.create(to, { ASSETS_TOKEN: "target", ASSETS_FROM_TOKEN: "r" });
  await using writer = await User.create(from, { ASSETS_TOKEN: "w" });
  await writer.write("a.bin", crypto.getRandomValues(new Uint8Array(60_000)));
  await writer.write("b.txt", "b");
  await writer.succeed(["push", "a.bin", "--tags", "nlp"]);
  await writer.succeed(["push", "b.txt"]);
  const lines = await user.succeed(["import", "--from", from.url, "tags=nlp", "--json"]);
  assertEquals(JSON.parse(lines), { uri: "a.bin:1.0-initial", status: "copied", size: 60_000 });
  const found: Json[] = listAt((await query(to, {})).body, "data");
  assertEquals(found.map((asset) => at(asset, "asset_name")), ["a.bin"]);
  const env = { ASSETS_FROM_TOKEN: "wrong" };
  assertOneLine(await user.run(["import", "--from", from.url], { env }), 1, "--from-token");
});

Deno.test("import says in one line what it is to be told", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await created(server, { asset_name: "a" });
  assertOneLine(await user.run(["import"]), 2, "--from");
  assertOneLine(await user.run(["import", "a", "b"]), 2, "--from");
  assertOneLine(await user.run(["import", "--from", "nothing"]), 2, "--from", "http(s) URL");
  assertOneLine(await user.run(["import", "--from", server.url]), 2, "the same");
  assertOneLine(await user.run(["import", "--from", refusedUrl()]), 1, "connection refused", "--from");
});
