/** `assets-server registry …` and `health` against a real registry. */
import { assertEquals, assertMatch } from "@std/assert";
import { refusedUrl } from "../../server/fake_server.ts";
import { uploaded } from "../../server/client.ts";
import { startTestServer } from "../../server/harness.ts";
import { assertOneLine, User } from "../command_line.ts";

Deno.test("registry add, ls, check and rm keep the list of Assets DBs", async () => {
  await using registry = await startTestServer({ mode: "registry" });
  await using server = await startTestServer();
  await using user = await User.create(server, { REGISTRY_URL: registry.url });
  const facts = ["--name", "The lab", "--id", "lab", "--tags", "pytorch,gpu", "--meta", "floor=3"];
  assertEquals(await user.succeed(["registry", "add", server.url, ...facts]), "lab\n");
  await user.succeed(["registry", "add", refusedUrl(), "--name", "away", "--id", "away"]);
  assertMatch(await user.succeed(["registry", "ls", "tags=gpu", "floor>2"]), /^lab\tThe lab\t/);
  const all = JSON.parse(await user.succeed(["registry", "ls", "--json"]));
  assertEquals(all.map((entry: { asset_registry_id: string }) => entry.asset_registry_id), ["lab", "away"]);
  assertMatch(await user.succeed(["registry", "check", "lab"]), /^lab is healthy \([\d.]+ ms\)\n$/);
  assertOneLine(await user.run(["registry", "check", "away"]), 1, "could not be reached");
  assertOneLine(await user.run(["registry", "rm", "away"]), 2, "--yes");
  assertEquals(await user.succeed(["registry", "rm", "away", "--yes"]), "away is removed\n");
  assertOneLine(await user.run(["registry", "check", "away"]), 1, "away", "registry ls");
  assertOneLine(await user.run(["registry", "add", server.url, ...facts]), 1, "lab", "--id");
});

Deno.test("registry search finds assets in all Assets DBs, says where, and names those that could not be asked", async () => {
  await using registry = await startTestServer({ mode: "registry" });
  await using one = await startTestServer();
  await using two = await startTestServer();
  await using user = await User.create(registry, { REGISTRY_URL: registry.url });
  await uploaded(one, "x", { name: "in one", more: { asset_tags: ["t"] } });
  await uploaded(two, "xyz", { name: "in two", more: { asset_tags: ["t"] } });
  for (const [id, url] of [["one", one.url], ["two", two.url], ["away", refusedUrl()]]) {
    await user.succeed(["registry", "add", url ?? "", "--name", `DB ${id}`, "--id", id ?? ""]);
  }
  const { code, stdout, stderr } = await user.run(["registry", "search", "tags=t", "--sort", "-size"]);
  assertEquals(code, 0, stderr);
  const rows = stdout.trimEnd().split("\n").map((line) => line.split("\t").slice(0, 2));
  assertEquals(rows, [["in two:1.0-initial", "3 B"], ["in one:1.0-initial", "1 B"]]);
  assertMatch(stderr, /^DB away: (skipped|error).*\n$/);
  assertEquals(await user.succeed(["registry", "search", "--count"]), "2\n");
  assertEquals((await user.succeed(["search", "--ndjson"])).trimEnd().split("\n").length, 2);
  const limited = await user.run(["registry", "search", "--limit", "1", "--json"]);
  assertEquals(JSON.parse(limited.stdout).length, 1);
  const exported = await user.run(["export", "-o", "all.ndjson"]);
  assertOneLine(exported, 1, "not complete", "DB away");
});

Deno.test("registry commands say that a server is no registry", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  assertOneLine(await user.run(["registry", "ls"]), 1, "--server", "REGISTRY_URL");
  assertOneLine(await user.run(["registry", "add", "http://x"]), 2, "--name");
});

Deno.test("health exits 0 for a healthy server, and 1 with one line for none", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  assertEquals(await user.succeed(["health"]), `${server.url} is healthy\n`);
  assertEquals(JSON.parse(await user.succeed(["health", "--json"])).message, "healthy");
  assertOneLine(await user.run(["health", "--server", refusedUrl()]), 1, "connection refused");
});
