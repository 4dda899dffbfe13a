/** `assets-server pull` against a real server. */
import { assert, assertEquals } from "@std/assert";
import { patternBytes } from "../../objects/object_store_suite.ts";
import { created, filesBelow, uploaded } from "../../server/client.ts";
import { refusedUrl, startFake } from "../../server/fake_server.ts";
import { startTestServer, type TestServer } from "../../server/harness.ts";
import { assertOneLine, User } from "../command_line.ts";
import { MeteringProxy } from "../../metering_proxy.ts";

const MIB = 2 ** 20;
/** What requests and answers weigh beside the file. */
const HEAD_BYTES = 64 * 1024;

Deno.test("pull writes the file under its own name, and prints where it is", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await uploaded(server, "hello", { fileName: "h.txt" });
  assertEquals(await user.succeed(["pull", "Sample:1.0-initial"]), "h.txt\n");
  assertEquals(await Deno.readTextFile(`${user.folder}/h.txt`), "hello");
  const again = JSON.parse(await user.succeed(["pull", "Sample:1.0-initial", "--json"]));
  assertEquals([again.status, again.verified], ["unchanged", true]);
});

Deno.test("pull --output takes a file, a folder, and - for standard output", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await uploaded(server, "hello", { fileName: "h.txt" });
  await uploaded(server, "", { name: "empty", fileName: "empty" });
  const uri = "Sample:1.0-initial";
  await user.succeed(["pull", uri, "-o", "copy"]);
  await user.succeed(["pull", uri, "empty:1.0-initial", "-o", "folder"]);
  assertEquals((await filesBelow(user.folder)).map((path) => path.slice(user.folder.length + 1)).sort(), [
    "copy",
    "folder/empty",
    "folder/h.txt",
  ]);
  const { code, stdout, stderr } = await user.run(["pull", uri, "-o", "-"]);
  assertEquals([code, stdout, stderr], [0, "hello", ""]);
});

Deno.test("pull replaces another file only when told to", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await uploaded(server, "hello", { fileName: "h.txt" });
  await user.write("h.txt", "mine");
  assertOneLine(await user.run(["pull", "Sample:1.0-initial"]), 1, "h.txt", "--force");
  assertEquals(await Deno.readTextFile(`${user.folder}/h.txt`), "mine");
  await user.succeed(["pull", "Sample:1.0-initial", "--force"]);
  assertEquals(await Deno.readTextFile(`${user.folder}/h.txt`), "hello");
});

Deno.test("pull keeps to its folder whatever the server calls the file", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  for (
    const [name, fileName] of [["a", "../../outside"], ["b", ".hidden"], ["c", "..\\up\\x"], ["d", "/etc/p"]]
  ) {
    await uploaded(server, "x", { name, fileName });
    await user.succeed(["pull", `${name}:1.0-initial`, "-o", `${name}/`]);
  }
  const root = user.folder.replace(/\/work$/, "");
  const files = (await filesBelow(root)).map((path) => path.slice(root.length + 1));
  assertEquals(files.filter((path) => !path.startsWith("home/")).sort(), [
    "work/a/outside",
    "work/b/hidden",
    "work/c/x",
    "work/d/p",
  ]);
});

Deno.test("pull of a file that lives elsewhere names the place that does not answer, not the server", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  const place = refusedUrl();
  await created(server, {
    asset_name: "a",
    asset_version: { version: "1", tag: "x" },
    asset_public_url: `${place}/file`,
  });
  const said = await user.run(["pull", "a:1-x"]);
  assertOneLine(said, 1, `The file is at ${place}, which does not answer`);
  assertEquals(said.stderr.includes("--server"), false, said.stderr);
});

Deno.test("pull --tree makes the folders that the names say, and none outside", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  const names = [
    "llama/a/config.json",
    "llama/b/config.json",
    "../../up/x",
    "/abs",
    "c\\..\\d",
    'odd/a:b?"*',
  ];
  for (const name of names) await uploaded(server, name, { name, fileName: "config.json" });
  await user.succeed(["pull", "--tree", "-o", "models", ...names.map((name) => `${name}:1.0-initial`)]);
  const root = `${user.folder}/models`;
  assertEquals((await filesBelow(root)).map((path) => path.slice(root.length + 1)).sort(), [
    "abs",
    "c/d",
    "llama/a/config.json",
    "llama/b/config.json",
    'odd/a:b?"*',
    "up/x",
  ]);
  assertEquals(await Deno.readTextFile(`${root}/llama/b/config.json`), "llama/b/config.json");
  assertOneLine(await user.run(["pull", "--tree", "a:1-x", "-o", "-"]), 2, "--tree");
});

Deno.test("pull that was killed goes on with what is there, and fetches nothing twice", async () => {
  await using server = await startTestServer();
  await using proxy = new MeteringProxy(server.url);
  await using user = await User.create(proxy);
  const bytes = patternBytes(64 * MIB);
  await uploaded(server, bytes, { fileName: "a.bin" });
  const first = user.start(["pull", "Sample:1.0-initial"]);
  await proxy.until(() => proxy.receivedBytes > 20 * MIB);
  first.child.kill("SIGKILL");
  await first.said;
  await proxy.until(() => proxy.isIdle);
  assertEquals(await filesBelow(user.folder), [`${user.folder}/a.bin.part`]);
  const receivedBefore = proxy.receivedBytes;
  const { resumed_at } = JSON.parse(await user.succeed(["pull", "Sample:1.0-initial", "--json"]));
  assert(resumed_at > 4 * MIB, `${resumed_at}`);
  const received = proxy.receivedBytes - receivedBefore;
  assert(received <= bytes.length - resumed_at + HEAD_BYTES, `${received} bytes from ${resumed_at} on`);
  assertEquals(await Deno.readFile(`${user.folder}/a.bin`), bytes);
  assertEquals(await filesBelow(user.folder), [`${user.folder}/a.bin`]);
});

Deno.test("pull survives connections that break, onto standard output too", async () => {
  await using server = await startTestServer();
  await using proxy = new MeteringProxy(server.url);
  await using user = await User.create(proxy);
  const text = "0123456789abcdef".repeat(3 * MIB);
  await uploaded(server, text, { fileName: "a.txt" });
  for (const output of ["copy.txt", "-"]) {
    const { said } = user.start(["pull", "Sample:1.0-initial", "-o", output]);
    const before = proxy.receivedBytes;
    for (const mark of [10, 30]) {
      await proxy.until(() => proxy.receivedBytes - before > mark * MIB);
      proxy.cut();
    }
    const { code, stdout, stderr } = await said;
    assertEquals(code, 0, stderr);
    const came = output === "-" ? stdout : await Deno.readTextFile(`${user.folder}/copy.txt`);
    assert(came === text, `${came.length} characters`);
  }
});

Deno.test("pull begins anew when the asset has another file by now", async () => {
  await using server = await startTestServer();
  await using proxy = new MeteringProxy(server.url);
  await using user = await User.create(proxy);
  await uploaded(server, patternBytes(48 * MIB), { fileName: "a.bin" });
  const first = user.start(["pull", "Sample:1.0-initial"]);
  await proxy.until(() => proxy.receivedBytes > 10 * MIB);
  first.child.kill("SIGKILL");
  await first.said;
  const gone = await fetch(`${server.url}/asset/Sample:1.0-initial`, { method: "DELETE" });
  await gone.body?.cancel();
  await uploaded(server, "another", { fileName: "a.bin" });
  assertEquals(JSON.parse(await user.succeed(["pull", "Sample:1.0-initial", "--json"])).resumed_at, 0);
  assertEquals(await Deno.readTextFile(`${user.folder}/a.bin`), "another");
});

Deno.test("pull recovers from a .part file of unknown origin", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await uploaded(server, "the right content", { fileName: "a.txt" });
  for (const part of ["the right", "something", "longer than the whole content"]) {
    await user.write("a.txt.part", part);
    await user.succeed(["pull", "Sample:1.0-initial"]);
    assertEquals(await Deno.readTextFile(`${user.folder}/a.txt`), "the right content");
    await Deno.remove(`${user.folder}/a.txt`);
  }
});

Deno.test("pull refuses a corrupted object, says so, and keeps nothing", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  const { id } = await uploaded(server, "the right content", { fileName: "a.txt" });
  await corrupt(server, id);
  assertOneLine(
    await user.run(["pull", "Sample:1.0-initial"]),
    1,
    "corrupted",
    "SHA-256",
    "Nothing of it was kept",
  );
  assertEquals(await filesBelow(user.folder), []);
  const toStdout = await user.run(["pull", "Sample:1.0-initial", "-o", "-"]);
  assertEquals(toStdout.code, 1);
  assert(toStdout.stderr.includes("Don't use what was written"), toStdout.stderr);
});

Deno.test("pull follows a redirect to another host, without the token", async () => {
  const seen: (string | null)[] = [];
  await using elsewhere = startFake((request) => {
    seen.push(request.headers.get("Authorization"));
    return new Response("from elsewhere");
  });
  await using server = await startTestServer({ authReadToken: "secret", authWriteToken: "secret" });
  await using user = await User.create(server, { ASSETS_TOKEN: "secret" });
  const asset = {
    asset_name: "far",
    asset_version: { version: "1", tag: "x" },
    asset_id: "far-1",
    asset_public_url: `${elsewhere.url}/file`,
  };
  const response = await fetch(`${server.url}/asset`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: "Bearer secret" },
    body: JSON.stringify(asset),
  });
  assertEquals(response.status, 201, await response.text());
  const { code, stderr } = await user.run(["pull", "far:1-x", "-o", "far.txt"]);
  assertEquals(code, 0, stderr);
  assert(stderr.includes("could not be verified"), stderr);
  assertEquals(await Deno.readTextFile(`${user.folder}/far.txt`), "from elsewhere");
  assertEquals(seen, [null]);
});

Deno.test("pull says in one line what it can't fetch", async () => {
  await using server = await startTestServer({ authReadToken: "reader", authWriteToken: "w" });
  await using user = await User.create(server);
  const uri = "Sample:1.0-initial";
  assertOneLine(await user.run(["pull", uri]), 1, "--token");
  const env = { ASSETS_TOKEN: "reader" };
  assertOneLine(await user.run(["pull", uri], { env }), 1, uri, "search");
  assertOneLine(await user.run(["pull", uri, "b", "-o", "-"], { env }), 2, "--output");
  const url = refusedUrl();
  assertOneLine(await user.run(["pull", uri, "--server", url]), 1, url, "connection refused");
  await using open = await startTestServer();
  await created(open, { asset_name: "none", asset_version: { version: "1", tag: "x" } });
  assertOneLine(await user.run(["pull", "none:1-x", "--server", open.url]), 1, "file");
});

/** Changes one byte of a stored file. */
async function corrupt({ dataDir }: TestServer, id: string): Promise<void> {
  using file = await Deno.open(`${dataDir}/objects/asset/${id}`, { write: true });
  await file.write(new TextEncoder().encode("X"));
}
