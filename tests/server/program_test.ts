/** The command line and the environment of the program. */
import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import deno from "../../deno.json" with { type: "json" };
import { at, listAt, send, textAt } from "./client.ts";
import { refusedUrl } from "./fake_server.ts";
import { json, uploadForm } from "./harness.ts";
import { newFolder, removeFolders, run, start } from "./program.ts";

Deno.test.afterAll(removeFolders);

/** A failure that is one line on stderr, holding `named`, and nothing on stdout. */
function assertOneLine(
  result: { code: number; stdout: string; stderr: string },
  code: number,
  named: string,
): void {
  assertEquals(result.code, code, `${named}: ${result.stdout}${result.stderr}`);
  assertEquals(result.stdout, "");
  const lines = result.stderr.trimEnd().split("\n");
  assertEquals(lines.length, 1, result.stderr);
  assert(lines[0]?.includes(named), `${named} is not named: ${result.stderr}`);
}

Deno.test("assets-server --help names every flag with its environment variable, and exits 0", async () => {
  const { code, stdout, stderr } = await run(["--help"]);
  assertEquals([code, stderr], [0, ""]);
  const settings = {
    "--mode": "MODE",
    "--host": "HOST",
    "--port": "PORT",
    "--data-dir": "DATA_DIR",
    "--db": "DENO_KV_URL",
    "--public-url": "PUBLIC_URL",
    "--assets-db-id": "ASSETS_DB_ID",
    "--s3-bucket": "S3_BUCKET_NAME",
    "--s3-endpoint": "S3_ENDPOINT_URL",
    "--s3-region": "AWS_REGION",
    "--s3-prefix": "S3_PREFIX",
    "--s3-addressing": "S3_ADDRESSING",
    "--max-upload-size": "MAX_UPLOAD_SIZE",
    "--require-healthy": "REQUIRE_HEALTHY",
    "--query-timeout": "QUERY_TIMEOUT",
    "--idle-timeout": "IDLE_TIMEOUT",
    "--no-private-targets": "NO_PRIVATE_TARGETS",
  };
  const words = stdout.split(/[\s,[\]]+/);
  for (const [flag, variable] of Object.entries(settings)) {
    assert(words.includes(flag), `${flag} is missing`);
    assert(words.includes(variable), `${variable} is missing`);
  }
  const others = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AUTH_WRITE_TOKEN"];
  for (const variable of [...others, "AUTH_READ_TOKEN"]) assert(words.includes(variable), variable);
});

Deno.test("assets-server --version prints the version and exits 0", async () => {
  const { code, stdout, stderr } = await run(["--version"]);
  assertEquals([code, stdout.trim(), stderr], [0, deno.version, ""]);
});

Deno.test("A wrong command line ends with exit code 2 and one line that names what is wrong", async () => {
  const dataDir = await newFolder();
  const wrong: [string[], string][] = [
    [["--colour", "red"], "--colour"],
    [["--port", "abc"], "--port"],
    [["--port", "65536"], "--port"],
    [["--port"], "--port"],
    [["--mode", "both"], "--mode"],
    [["--public-url", "ftp://x"], "--public-url"],
    [["--s3-endpoint", "nonsense", "--s3-bucket", "assets"], "--s3-endpoint"],
    [["--s3-addressing", "sideways", "--s3-bucket", "assets"], "--s3-addressing"],
    [["--max-upload-size", "much"], "--max-upload-size"],
    [["--query-timeout", "soon"], "--query-timeout"],
    [["--idle-timeout", "-1s"], "--idle-timeout"],
    [["--data-dir", ""], "--data-dir"],
    [["--db", "http://127.0.0.1:9"], "DENO_KV_ACCESS_TOKEN"],
    [["serv"], "serv"],
    [["help", "nope"], "nope"],
  ];
  for (const [flags, named] of wrong) {
    assertOneLine(await run(flags, { DATA_DIR: dataDir, PORT: "0" }), 2, named);
  }
});

Deno.test("A bad environment variable ends with exit code 2 and one line that names it", async () => {
  const dataDir = await newFolder();
  for (
    const [variable, value] of [
      ["PORT", "abc"],
      ["MODE", "both"],
      ["MAX_UPLOAD_SIZE", "much"],
      ["REQUIRE_HEALTHY", "maybe"],
      ["NO_PRIVATE_TARGETS", "2"],
      ["IDLE_TIMEOUT", "soon"],
    ] as const
  ) assertOneLine(await run([], { DATA_DIR: dataDir, [variable]: value }), 2, variable);
});

Deno.test("The environment sets what no flag does; an empty variable counts as unset; a flag wins", async () => {
  const dataDir = await newFolder();
  await using registry = await start([], {
    MODE: "registry",
    PORT: "0",
    HOST: "127.0.0.1",
    DATA_DIR: dataDir,
    DENO_KV_URL: "",
    PUBLIC_URL: "",
    MAX_UPLOAD_SIZE: "",
    REQUIRE_HEALTHY: "on",
    AUTH_WRITE_TOKEN: "",
    S3_BUCKET_NAME: "",
  });
  assert((await Deno.stat(`${dataDir}/registry.kv`)).isFile);
  const body = { asset_registry_name: "N", asset_registry_public_url: refusedUrl() };
  const answer = await send(registry, "/asset_registry", json("POST", body));
  assertEquals([answer.status, answer.body.code], [502, "unhealthy"]);

  const other = await newFolder();
  await using assetsDb = await start(
    ["--mode", "assets-db", "--port", "0", "--data-dir", other, "--assets-db-id", "my-db"],
    {
      MODE: "registry",
      PORT: "1",
      DATA_DIR: dataDir,
      ASSETS_DB_ID: "their-db",
      PUBLIC_URL: "https://p.example.com",
    },
  );
  const uploaded = await send(assetsDb, "/upload_asset", { method: "POST", body: uploadForm("the bytes") });
  assertEquals(uploaded.status, 201, uploaded.text);
  const id = textAt(uploaded.body, "asset_id");
  assertEquals(at(uploaded.body, "data.assets_db_id"), "my-db");
  assertEquals(uploaded.body.public_url, `https://p.example.com/asset-object/${id}`);
  assert((await Deno.stat(`${other}/assets-db.kv`)).isFile);
  assertEquals(await Deno.readTextFile(`${other}/objects/asset/${id}`), "the bytes");
});

Deno.test("It prints one line that holds where it listens, on 127.0.0.1 unless told otherwise", async () => {
  await using program = await start(["--port", "0", "--data-dir", await newFolder()]);
  assert(/^http:\/\/127\.0\.0\.1:\d+$/.test(program.url), program.url);
  assertNotEquals(program.url, "http://127.0.0.1:0");
  assertEquals((await send(program, "/health")).status, 200);
  program.child.kill("SIGINT");
  assertEquals((await program.child.status).code, 0);
  const output = await program.output;
  assertEquals(output.trimEnd().split("\n").length, 1, output);
});

Deno.test("--db :memory: keeps nothing, a path keeps it there", async () => {
  const dataDir = await newFolder();
  const path = `${await newFolder()}/elsewhere.kv`;
  const countAfter = async (db: string) => {
    await using program = await start(["--port", "0", "--data-dir", dataDir, "--db", db]);
    await send(program, "/asset", json("POST", { asset_name: "A" }));
    const { body } = await send(program, "/assets", json("POST", {}));
    program.child.kill("SIGTERM");
    assertEquals((await program.child.status).code, 0);
    return listAt(body, "data").length;
  };
  assertEquals([await countAfter(":memory:"), await countAfter(":memory:")], [1, 1]);
  assertEquals([await countAfter(path), await countAfter(path)], [1, 2]);
});

Deno.test("A second process on one data-dir is refused with one line that names it, and the first goes on", async () => {
  const dataDir = await newFolder();
  await using first = await start(["--port", "0", "--data-dir", dataDir]);
  const second = await run(["--port", "0", "--data-dir", dataDir]);
  assertNotEquals(second.code, 0);
  assertOneLine(second, second.code, dataDir);
  assertEquals((await send(first, "/health")).status, 200);
});

Deno.test("A port that is taken is refused with one line that names it", async () => {
  await using first = await start(["--port", "0", "--data-dir", await newFolder()]);
  const { port } = new URL(first.url);
  const second = await run(["--port", port, "--data-dir", await newFolder()]);
  assertNotEquals(second.code, 0);
  assertOneLine(second, second.code, port);
});

Deno.test("The environment of AIOSv1's Deployment starts it, and it says that MONGO_URL is not used", async () => {
  await using program = await start(["--port", "0", "--data-dir", await newFolder()], {
    AWS_ACCESS_KEY_ID: "",
    AWS_SECRET_ACCESS_KEY: "",
    AWS_REGION: "us-east-1",
    MONGO_URL: "mongodb://assets-db-0.assets-db.svc.cluster.local:27017",
    PUBLIC_URL: "",
    S3_BUCKET_NAME: "",
    S3_ENDPOINT_URL: "",
  });
  assertEquals((await (await fetch(`${program.url}/health`)).json()).message, "healthy");
  program.child.kill("SIGTERM");
  assertStringIncludes(await program.errors, "MONGO_URL is not used");
});
