/** `assets-server search`, `info`, `update`, `rm` against a real server, in a pipe. */
import { assertEquals, assertMatch } from "@std/assert";
import { ASSET_WORDS, filterOf } from "../../../src/cli/client/filter_words.ts";
import { at, getAsset, namesOf, uploaded } from "../../server/client.ts";
import { refusedUrl } from "../../server/fake_server.ts";
import { startTestServer, type TestServer } from "../../server/harness.ts";
import { assertOneLine, User } from "../command_line.ts";

/** Three assets that differ in everything that words can ask for. */
async function fill(server: TestServer): Promise<void> {
  const one = {
    asset_tags: ["nlp", "checked"],
    asset_metadata: { license: "mit", year: 2024, q: { score: 0.9 } },
  };
  const two = { asset_tags: ["nlp"], asset_metadata: { license: "cc0", year: "2024", q: { score: 0.5 } } };
  await uploaded(server, "x".repeat(2000), { name: "Llama 3", version: "3.1", tag: "base", more: one });
  await uploaded(server, "x".repeat(50), { name: "llama.cpp", version: "1.0", tag: "base", more: two });
  await uploaded(server, "x", { name: "东京 (モデル)", version: "1.0", tag: "x", fileName: "a.png" });
}

Deno.test("search finds by words what the words say", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await fill(server);
  const cases: [string[], string[]][] = [
    [[], ["Llama 3", "llama.cpp", "东京 (モデル)"]],
    [["LLAMA"], ["Llama 3", "llama.cpp"]],
    [["llama.c"], ["llama.cpp"]],
    [["(モデル)"], ["东京 (モデル)"]],
    [["name=llama*"], ["Llama 3", "llama.cpp"]],
    [["name=llama"], []],
    [["name!=llama.cpp"], ["Llama 3", "东京 (モデル)"]],
    [["version=1.0"], ["llama.cpp", "东京 (モデル)"]],
    [["version=1.0", "tag=base"], ["llama.cpp"]],
    [["tags=nlp"], ["Llama 3", "llama.cpp"]],
    [["tags=nlp,checked"], ["Llama 3"]],
    [["tags!=checked"], ["llama.cpp", "东京 (モデル)"]],
    [["size>=1kB"], ["Llama 3"]],
    [["size<51"], ["llama.cpp", "东京 (モデル)"]],
    [["file=a.png"], ["东京 (モデル)"]],
    [["license=mit"], ["Llama 3"]],
    [["year=2024"], ["Llama 3", "llama.cpp"]],
    [["q.score>0.5"], ["Llama 3"]],
    [["asset_metadata.license=cc0"], ["llama.cpp"]],
    [[`{"asset_tags":{"$size":2}}`], ["Llama 3"]],
    [["llama", `{"asset_tags":{"$size":2}}`], ["Llama 3"]],
  ];
  for (const [words, names] of cases) {
    assertEquals(await namesOf(server, filterOf(words, ASSET_WORDS)), names, words.join(" "));
  }
  // A process for each would tell no more: these are what a command line could take for something else.
  const odd = cases.filter(([words]) => words.length !== 1 || /[>{(!]/.test(words[0] ?? ""));
  assertEquals(odd.length, 9);
  for (const [words, names] of odd) {
    const stdout = await user.succeed(["search", ...words, "--fields", "name"]);
    assertEquals(stdout.split("\n").filter((line) => line !== ""), names, words.join(" "));
  }
});

Deno.test("search prints lines with tabs, JSON, NDJSON or a count", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await fill(server);
  assertEquals(
    await user.succeed(["search", "--sort", "-size", "--limit", "2"]),
    "Llama 3:3.1-base\t2.0 kB\tapplication/octet-stream\tnlp, checked\n" +
      "llama.cpp:1.0-base\t50 B\tapplication/octet-stream\tnlp\n",
  );
  assertEquals(
    await user.succeed(["search", "llama", "--sort", "size", "--fields", "name,size,q.score"]),
    "llama.cpp\t50\t0.5\nLlama 3\t2000\t0.9\n",
  );
  assertEquals(
    await user.succeed(["search", "llama.cpp", "--fields", "size,asset_metadata.license"]),
    "50\tcc0\n",
  );
  const all = JSON.parse(await user.succeed(["search", "--json"]));
  assertEquals([all.length, at(all, "2.asset_name")], [3, "东京 (モデル)"]);
  assertEquals(JSON.parse(await user.succeed(["search", "nothing", "--json"])), []);
  const lines = (await user.succeed(["search", "--ndjson", "--fields", "name"])).trimEnd().split("\n");
  assertEquals(lines.map((line) => JSON.parse(line).asset_name), ["Llama 3", "llama.cpp", "东京 (モデル)"]);
  assertEquals(await user.succeed(["search", "llama", "--count"]), "2\n");
  assertEquals(await user.succeed(["search", "nothing"]), "");
});

Deno.test("search says in one line what is wrong", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  assertOneLine(await user.run(["search", "{bad"]), 2, "filter", "JSON");
  assertOneLine(await user.run(["search", "size>much"]), 2, "much");
  assertOneLine(await user.run(["search", "--limit", "0"]), 2, "--limit");
  assertOneLine(await user.run(["search", `{"a":{"$where":"1"}}`]), 1, "$where");
  assertOneLine(await user.run(["search", "--server", "ftp://x"]), 2, "--server");
  assertOneLine(await user.run(["search"], { env: { ASSETS_SERVER_URL: "x" } }), 2, "ASSETS_SERVER_URL");
  assertOneLine(await user.run(["search", "--server", refusedUrl()]), 1, "connection refused");
});

Deno.test("info shows an asset to people and to programs, and no control characters to a terminal", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  const more = { asset_metadata: { about: "\u001b[31mred" }, asset_tags: ["a\u001b]0;title\u0007"] };
  await uploaded(server, "hello", { fileName: "h.txt", fileType: "text/plain", more });
  const shown = await user.succeed(["info", "Sample:1.0-initial"]);
  assertMatch(shown, /^URI +Sample:1\.0-initial$/m);
  assertMatch(shown, /^File +h\.txt, text\/plain, 5 B$/m);
  assertEquals(shown.includes("\u001b"), false);
  const json = JSON.parse(await user.succeed(["info", "Sample:1.0-initial", "--json"]));
  assertEquals(at(json, "asset_metadata.about"), "\u001b[31mred");
  assertOneLine(await user.run(["info", "nix"]), 1, "nix");
});

Deno.test("update changes what is named, and prints the URI as it is then", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await uploaded(server, "x", { more: { asset_metadata: { a: 1, b: { c: 2 } }, asset_tags: ["old"] } });
  const changes = ["b.d=0.5", "language=de", "tags=x, y", "tag=final"];
  assertEquals(await user.succeed(["update", "Sample:1.0-initial", ...changes]), "Sample:1.0-final\n");
  const { body } = await getAsset(server, "Sample:1.0-final");
  assertEquals(at(body, "data.asset_metadata"), { a: 1, b: { c: 2, d: 0.5 }, language: "de" });
  assertEquals(at(body, "data.asset_tags"), ["x", "y"]);
  await user.succeed(["update", "Sample:1.0-final", "--meta-file", "-", "n.m=1"], {
    input: `{"only":"this"}`,
  });
  assertEquals(at((await getAsset(server, "Sample:1.0-final")).body, "data.asset_metadata"), {
    only: "this",
    n: { m: 1 },
  });
  assertOneLine(await user.run(["update", "Sample:1.0-final"]), 2, "change");
  assertOneLine(await user.run(["update", "Sample:1.0-final", "word"]), 2, "key=value");
  assertOneLine(await user.run(["update", "Sample:1.0-final", "asset_id=x"]), 1, "asset_id");
});

Deno.test("rm needs --yes where nobody can be asked, and removes several", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  await uploaded(server, "x", { name: "a" });
  await uploaded(server, "x", { name: "b" });
  assertOneLine(await user.run(["rm", "a:1.0-initial"]), 2, "--yes");
  assertEquals((await namesOf(server, {})).length, 2);
  assertEquals(
    await user.succeed(["rm", "a:1.0-initial", "b:1.0-initial", "--yes"]),
    "a:1.0-initial is removed\nb:1.0-initial is removed\n",
  );
  assertEquals(await namesOf(server, {}), []);
  assertOneLine(await user.run(["rm", "a:1.0-initial", "--yes"]), 1, "a:1.0-initial");
});
