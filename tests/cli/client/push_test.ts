/** `assets-server push` against a real server. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { asJsonObject } from "../../../src/collection/json.ts";
import { at, getAsset, listAt, namesOf, objectKeys, query, uploaded } from "../../server/client.ts";
import { startTestServer } from "../../server/harness.ts";
import { refusedUrl } from "../../server/fake_server.ts";
import { patternBytes } from "../../objects/object_store_suite.ts";
import { assertOneLine, User } from "../command_line.ts";
import { MeteringProxy } from "../../metering_proxy.ts";

const MIB = 2 ** 20;
/** What requests weigh beside the file. */
const HEAD_BYTES = 64 * 1024;

Deno.test("push --dry-run says what would be uploaded, to people and to programs, and asks no server", async () => {
  await using user = await User.create({ url: refusedUrl() });
  await user.write("models/a.bin", "12345");
  const path = `${user.folder}/models/a.bin`;
  const args = ["push", "models", "--name", "m", "--version", "2", "--dry-run"];
  assertEquals(await user.succeed(args), `m/a.bin:2-initial\t5 B\t${path}\n`);
  assertEquals(JSON.parse(await user.succeed([...args, "--json"])), {
    uri: "m/a.bin:2-initial",
    size: 5,
    path,
  });
});

Deno.test("push uploads a file with its name, version, tag, tags and metadata, and prints the URI", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await user.write("photo.png", "not really one");
  await user.write("card.json", `{"license":"MIT","quality":{"reviewed":true}}`);
  const flags = ["--name", "photo of 東京", "--version", "2", "--tag", "b", "--tags", "image, sample"];
  const meta = ["--meta", "quality.score=0.9", "--meta", "license=CC0", "--meta", "code=007"];
  const stdout = await user.succeed(["push", "photo.png", ...flags, "--meta-file", "card.json", ...meta]);
  assertEquals(stdout, "photo of 東京:2-b\n");
  const { body } = await getAsset(server, "photo of 東京:2-b");
  assertEquals(at(body, "data.asset_metadata"), {
    license: "CC0",
    quality: { reviewed: true, score: 0.9 },
    code: "007",
  });
  assertEquals(at(body, "data.asset_tags"), ["image", "sample"]);
  assertEquals(at(body, "data.asset_file_info.file_type"), "image/png");
  assertEquals(at(body, "data.asset_file_info.file_name"), "photo.png");
});

Deno.test("push reads metadata from standard input", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await user.write("a.bin", "a");
  await user.succeed(["push", "a.bin", "--meta-file", "-"], { input: `{"from":"stdin"}` });
  assertEquals(at((await getAsset(server, "a.bin:1.0-initial")).body, "data.asset_metadata.from"), "stdin");
});

Deno.test("push takes a folder: names from the relative paths, hidden files only when asked for", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await user.write("w/config.json", "{}");
  await user.write("w/sub/part.bin", "bytes");
  await user.write("w/empty", "");
  await user.write("w/.git/config", "hidden");
  const stdout = await user.succeed(["push", "w", "--name", "llama"]);
  const uris = ["llama/config.json:1.0-initial", "llama/empty:1.0-initial", "llama/sub/part.bin:1.0-initial"];
  assertEquals(stdout.trimEnd().split("\n").sort(), uris);
  assertEquals((await namesOf(server, {})).sort(), [
    "llama/config.json",
    "llama/empty",
    "llama/sub/part.bin",
  ]);
  await user.succeed(["push", "w", "--hidden"]);
  assertEquals((await namesOf(server, { asset_name: ".git/config" })).length, 1);
});

Deno.test("push refuses two files of one name before it uploads any", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await user.write("a/x.bin", "1");
  await user.write("b/x.bin", "2");
  assertOneLine(await user.run(["push", "a", "b"]), 2, "a/x.bin", "b/x.bin");
  assertEquals(await namesOf(server, {}), []);
});

Deno.test("push leaves a file alone that is there with the same content, and refuses another in its place", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await user.write("a.bin", "one");
  await user.succeed(["push", "a.bin"]);
  const again = JSON.parse(await user.succeed(["push", "a.bin", "--json"]));
  assertEquals([again.status, again.uri], ["unchanged", "a.bin:1.0-initial"]);
  await user.write("a.bin", "two");
  assertOneLine(await user.run(["push", "a.bin"]), 1, "a.bin:1.0-initial", "taken", "another name");
});

Deno.test("push goes on with the other files when one is refused, names it, and exits 1", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await uploaded(server, "other content", { name: "b" });
  for (const name of ["a", "b", "c"]) await user.write(name, name);
  const { code, stdout, stderr } = await user.run(["push", "a", "b", "c", "--parallel", "1"]);
  assertEquals([code, stdout], [1, "a:1.0-initial\nc:1.0-initial\n"]);
  assertMatch(stderr, /^b: .*taken.*\nassets-server: 1 of 3 files could not be uploaded\.\n$/s);
});

Deno.test("push states the checksum: a file that changes while it is read becomes no asset", async () => {
  await using server = await startTestServer();
  await using proxy = new MeteringProxy(server.url);
  await using user = await User.create(proxy);
  await user.write("a.bin", patternBytes(48 * MIB));
  const { said } = user.start(["push", "a.bin"]);
  await proxy.until(() => proxy.sentBytes > 1 * MIB);
  using file = await Deno.open(`${user.folder}/a.bin`, { write: true });
  await file.seek(-1, Deno.SeekMode.End);
  await file.write(new Uint8Array([255]));
  assertOneLine(await said, 1, "a.bin", "changed");
  assertEquals(listAt((await query(server, {})).body, "data"), []);
});

Deno.test("push that was killed goes on where the server stands, and sends nothing twice", async () => {
  await using server = await startTestServer();
  await using proxy = new MeteringProxy(server.url);
  await using user = await User.create(proxy);
  const bytes = patternBytes(64 * MIB);
  await user.write("a.bin", bytes);
  const first = user.start(["push", "a.bin"]);
  await proxy.until(() => proxy.sentBytes > 20 * MIB);
  first.child.kill("SIGKILL");
  await first.said;
  await proxy.until(() => proxy.isIdle);
  const sentBefore = proxy.sentBytes;
  const { status, resumed_at, id } = JSON.parse(await user.succeed(["push", "a.bin", "--json"]));
  assertEquals(status, "uploaded");
  assert(resumed_at >= 8 * MIB, `${resumed_at}`);
  const sent = proxy.sentBytes - sentBefore;
  assert(sent <= bytes.length - resumed_at + HEAD_BYTES, `${sent} bytes sent from ${resumed_at} on`);
  assertEquals(await Deno.readFile(`${server.dataDir}/objects/asset/${id}`), bytes);
  assertEquals(await statesOf(user), []);
});

Deno.test("push survives connections that break", async () => {
  await using server = await startTestServer();
  await using proxy = new MeteringProxy(server.url);
  await using user = await User.create(proxy);
  const bytes = patternBytes(48 * MIB);
  await user.write("a.bin", bytes);
  const { said } = user.start(["push", "a.bin", "--json"]);
  for (const mark of [10, 30]) {
    await proxy.until(() => proxy.sentBytes > mark * MIB);
    proxy.cut();
  }
  const { code, stdout, stderr } = await said;
  assertEquals(code, 0, stderr);
  assertEquals(await Deno.readFile(`${server.dataDir}/objects/asset/${JSON.parse(stdout).id}`), bytes);
});

Deno.test("Ctrl-C ends a push with exit code 130 and one line, and the next one goes on", async () => {
  await using server = await startTestServer();
  await using proxy = new MeteringProxy(server.url);
  await using user = await User.create(proxy);
  await user.write("a.bin", patternBytes(64 * MIB));
  const { child, said } = user.start(["push", "a.bin"]);
  await proxy.until(() => proxy.sentBytes > 20 * MIB);
  child.kill("SIGINT");
  assertOneLine(await said, 130, "Interrupted", "a.bin were sent", "Run the same command again");
  assert(JSON.parse(await user.succeed(["push", "a.bin", "--json"])).resumed_at >= 8 * MIB);
});

Deno.test("push sends pieces no larger than --piece-size", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  const bytes = patternBytes(5 * MIB + 3);
  await user.write("a.bin", bytes);
  const { id } = JSON.parse(await user.succeed(["push", "a.bin", "--piece-size", "1MiB", "--json"]));
  assertEquals(await Deno.readFile(`${server.dataDir}/objects/asset/${id}`), bytes);
});

Deno.test("push begins anew when the server has forgotten the upload", async () => {
  await using server = await startTestServer();
  await using proxy = new MeteringProxy(server.url);
  await using user = await User.create(proxy);
  await user.write("a.bin", patternBytes(48 * MIB));
  const first = user.start(["push", "a.bin"]);
  await proxy.until(() => proxy.sentBytes > 10 * MIB);
  first.child.kill("SIGKILL");
  await first.said;
  const [state] = await statesOf(user);
  const { uploadId } = asJsonObject(JSON.parse(await Deno.readTextFile(state ?? "")));
  const gone = await fetch(`${server.url}/uploads/${uploadId}`, {
    method: "DELETE",
    headers: { "Tus-Resumable": "1.0.0" },
  });
  await gone.body?.cancel();
  assertEquals(gone.status, 204);
  assertEquals(JSON.parse(await user.succeed(["push", "a.bin", "--json"])).resumed_at, 0);
  assertEquals((await objectKeys(server)).length, 1);
});

Deno.test("push works, without resuming, where no state can be kept", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await user.write("a.bin", "a");
  assertEquals(await user.succeed(["push", "a.bin"], { env: { HOME: "" } }), "a.bin:1.0-initial\n");
});

Deno.test("push says in one line what is wrong with its files and flags", async () => {
  await using user = await User.create({ url: refusedUrl() });
  await user.write("a.bin", "a");
  await Deno.mkdir(`${user.folder}/nothing`);
  assertOneLine(await user.run(["push", "b.bin"]), 2, "b.bin");
  assertOneLine(await user.run(["push", "nothing"]), 2, "nothing");
  assertOneLine(await user.run(["push", "-"]), 2, "save it");
  assertOneLine(await user.run(["push", "/dev/null"]), 2, "regular file");
  assertOneLine(await user.run(["push", "a.bin", "--meta", "x"]), 2, "--meta", "key=value");
  assertOneLine(await user.run(["push", "a.bin", "--parallel", "0"]), 2, "--parallel");
  assertOneLine(await user.run(["push", "a.bin", "--piece-size", "some"]), 2, "--piece-size");
  assertOneLine(await user.run(["push", "a.bin", "--tag", ""]), 2, "--tag");
});

Deno.test("push says in one line that the server is away, or does not know the token", async () => {
  await using server = await startTestServer({ authWriteToken: "right", authReadToken: "reader" });
  await using user = await User.create(server);
  await user.write("a.bin", "a");
  const url = refusedUrl();
  assertOneLine(await user.run(["push", "a.bin", "--server", url]), 1, url, "connection refused", "--server");
  assertOneLine(await user.run(["push", "a.bin"]), 1, "--token", "ASSETS_TOKEN");
  assertOneLine(await user.run(["push", "a.bin", "--token", "wrong"]), 1, "--token");
  assertOneLine(await user.run(["push", "a.bin"], { env: { ASSETS_TOKEN: "reader" } }), 1, "may write");
  assertEquals(
    await user.succeed(["push", "a.bin"], { env: { ASSETS_TOKEN: "right" } }),
    "a.bin:1.0-initial\n",
  );
});

Deno.test("push to a registry says in one line that it is none of those that take files", async () => {
  await using registry = await startTestServer({ mode: "registry" });
  await using user = await User.create(registry);
  await user.write("a.bin", "a");
  assertOneLine(await user.run(["push", "a.bin"]), 1, "takes no uploads", "the right server");
});

Deno.test("push asks for the server and the right to write before it reads a large file", async () => {
  await using server = await startTestServer({ authWriteToken: "right", authReadToken: "reader" });
  await using user = await User.create(server);
  await user.write("a.bin", "");
  // A hole, which takes no room: its checksum would take minutes.
  await Deno.truncate(`${user.folder}/a.bin`, 200 * 1024 * MIB);
  const url = refusedUrl();
  const tries: [string[], string][] = [
    [["--server", url], "connection refused"],
    [["--token", "wrong"], "--token"],
    [["--token", "reader"], "may write"],
  ];
  for (const [flags, word] of tries) {
    const { child, said } = user.start(["push", "a.bin", ...flags]);
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    assertOneLine(await said, 1, word);
    clearTimeout(timer);
  }
});

/** The states that the user's uploads have left. */
async function statesOf(user: User): Promise<string[]> {
  const folder = `${user.home}/.local/state/assets-server/uploads`;
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => `${folder}/${name}`);
}
