/** `assets-server import` and `export` against real servers. */
import { assert, assertEquals } from "@std/assert";
import { created, namesOf, uploaded } from "../../server/client.ts";
import { startFake } from "../../server/fake_server.ts";
import { startTestServer } from "../../server/harness.ts";
import { assertOneLine, User } from "../command_line.ts";

Deno.test("export writes every asset as NDJSON, and import makes them again elsewhere", async () => {
  await using from = await startTestServer();
  await using to = await startTestServer();
  await using user = await User.create(from);
  await uploaded(from, "x", { name: "a" });
  for (const name of ["b", "c"]) {
    await created(from, { asset_name: name, asset_version: { version: "1", tag: "x" } });
  }
  assertEquals(await user.succeed(["export", "-o", "all.ndjson"]), "3 assets in all.ndjson\n");
  const text = await Deno.readTextFile(`${user.folder}/all.ndjson`);
  assertEquals(await user.succeed(["export"]), text);
  assertEquals((await user.succeed(["export", "name=b"])).trimEnd().split("\n").length, 1);
  assertEquals(await user.succeed(["import", "all.ndjson", "--server", to.url]), "3 assets created\n");
  assertEquals(await namesOf(to, {}), ["a", "b", "c"]);
  const env = { ASSETS_SERVER_URL: to.url };
  const again = await user.succeed(["import", "-", "--skip-existing"], { input: text, env });
  assertEquals(again, "0 assets created, 3 were there already\n");
});

Deno.test("export to a folder says so at once, and leaves nothing beside it", async () => {
  let requests = 0;
  await using server = startFake(() => {
    requests++;
    return new Response("", { headers: { "Content-Type": "application/x-ndjson" } });
  });
  await using user = await User.create(server);
  await Deno.mkdir(`${user.folder}/there`);
  assertOneLine(await user.run(["export", "-o", "there"]), 2, '"there" is a folder');
  assertOneLine(await user.run(["export", "-o", ""]), 2, "--output must not be empty");
  assertEquals([requests, (await Array.fromAsync(Deno.readDir(user.folder))).length], [0, 1]);
});

Deno.test("import names the lines that are refused, takes the others, and exits 1", async () => {
  await using server = await startTestServer();
  await using user = await User.create(server);
  const lines = [`{"asset_name":"a"}`, "", "{bad", `{"asset_name":""}`, `{"asset_name":"b"}`];
  const { code, stdout, stderr } = await user.run(["import", "-"], { input: lines.join("\r\n") });
  assertEquals([code, stdout], [1, "2 assets created\n"]);
  assertEquals(stderr.split("\n").map((line) => line.slice(0, 8)).slice(0, 2), ["line 3: ", "line 4: "]);
  assert(stderr.includes("asset_name"), stderr);
  assertEquals(await namesOf(server, {}), ["a", "b"]);
  assertOneLine(await user.run(["import", "nix.ndjson"]), 2, "nix.ndjson");
});

Deno.test("import sends many lines in one request where the server takes them", async () => {
  const bodies: string[] = [];
  await using server = startFake(async (request) => {
    const text = await request.text();
    if (new URL(request.url).pathname !== "/assets/bulk") return new Response(null, { status: 500 });
    if (text !== "") bodies.push(text);
    const answers = text.split("\n").slice(0, -1).map((line, index) =>
      line.includes("taken")
        ? { line: index + 1, success: false, code: "already_exists", error: "It is taken." }
        : { line: index + 1, success: true, id: `id${index}`, asset_uri: "" }
    );
    const body = answers.map((answer) => `${JSON.stringify(answer)}\n`).join("");
    return new Response(body, { headers: { "Content-Type": "application/x-ndjson" } });
  });
  await using user = await User.create(server);
  const lines = Array.from(
    { length: 2500 },
    (_, n) => JSON.stringify({ asset_name: n === 1500 ? "taken" : `n${n}` }),
  );
  const { code, stdout, stderr } = await user.run(["import", "-"], { input: lines.join("\n") });
  assertEquals([code, stdout], [1, "2499 assets created\n"]);
  assertEquals(stderr.split("\n")[0], "line 1501: It is taken.");
  assertEquals(bodies.map((body) => body.trimEnd().split("\n").length), [1000, 1000, 500]);
});

Deno.test("import makes assets one by one where the server knows no better", async () => {
  const made: string[] = [];
  await using server = startFake(async (request) => {
    const text = await request.text();
    if (new URL(request.url).pathname === "/assets/bulk") {
      return Response.json({ success: false, error: "No.", message: "No.", code: "route_not_found" }, {
        status: 404,
      });
    }
    made.push(JSON.parse(text).asset_name);
    return Response.json({ success: true, data: { id: "x", asset_uri: "", asset: {} } }, { status: 201 });
  });
  await using user = await User.create(server);
  const input = Array.from({ length: 20 }, (_, n) => `{"asset_name":"n${n}"}\n`).join("");
  assertEquals(await user.succeed(["import", "-"], { input }), "20 assets created\n");
  assertEquals(made.length, 20);
});

Deno.test("export that breaks off leaves no file, and exits 1", async () => {
  await using server = startFake(() => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(`{"asset_name":"a"}\n`));
      },
      pull(controller) {
        controller.error(new Error("broken off"));
      },
    });
    return new Response(body, { headers: { "Content-Type": "application/x-ndjson" } });
  });
  await using user = await User.create(server);
  assertOneLine(await user.run(["export", "-o", "all.ndjson"]), 1, server.url);
  assertEquals(await Array.fromAsync(Deno.readDir(user.folder)), []);
});

Deno.test("import that loses the server says how far it came, and how to go on", async () => {
  let requests = 0;
  await using server = startFake(async (request) => {
    const lines = (await request.text()).split("\n").slice(0, -1);
    if (requests++ === 2) {
      return Response.json({ success: false, error: "Away.", code: "unavailable" }, { status: 503 });
    }
    const body = lines.map((_, index) => `{"line":${index + 1},"success":true}\n`).join("");
    return new Response(body, { headers: { "Content-Type": "application/x-ndjson" } });
  });
  await using user = await User.create(server);
  const input = '{"asset_name":"n"}\n'.repeat(1500);
  assertOneLine(
    await user.run(["import", "-"], { input }),
    1,
    "Away.",
    "1000 assets created",
    "--skip-existing",
  );
});
