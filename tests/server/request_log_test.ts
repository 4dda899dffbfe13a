/** The log of a program: its forms, its levels, and what never stands in it. */
import { assert, assertEquals } from "@std/assert";
import { asJsonObject } from "../../src/collection/json.ts";
import { send } from "./client.ts";
import { json, uploadForm } from "./harness.ts";
import { newFolder, type Program, removeFolders, run, start } from "./program.ts";
import { connect, rawRequest, writeAll } from "./raw.ts";

Deno.test.afterAll(removeFolders);

async function stopped(program: Program): Promise<string[]> {
  program.child.kill("SIGTERM");
  assertEquals((await program.child.status).code, 0);
  return (await program.errors).split("\n").filter((line) => line !== "");
}

Deno.test("--log-format json writes a line of JSON for every request, with the token's name and not the token", async () => {
  const tokens = `${await newFolder()}/tokens`;
  await Deno.writeTextFile(tokens, "ci-pipeline write SECRET-token\n", { mode: 0o600 });
  const flags = ["--port", "0", "--data-dir", await newFolder(), "--log-format", "json"];
  await using program = await start([...flags, "--auth-tokens-file", tokens], {
    AUTH_READ_TOKEN: "SECRET-read",
  });
  const headers = { Authorization: "Bearer SECRET-token", "X-Request-Id": "upload-1" };
  await send(program, "/upload_asset", { method: "POST", body: uploadForm("x".repeat(50_000)), headers });
  await send(program, "/assets", json("POST", {}, { Authorization: "Bearer SECRET-read" }));
  await send(program, "/asset/SECRET-uri?token=SECRET-query", {
    headers: { Authorization: "Bearer SECRET-wrong" },
  });
  await send(program, "/livez", { headers: { "X-Forwarded-For": "203.0.113.1" } });
  const lines = (await stopped(program)).map((line) => asJsonObject(JSON.parse(line)));
  assert(lines.every((line) => typeof line["@timestamp"] === "string" && typeof line.level === "string"));
  const requests = lines.filter(({ logger }) => logger === "assets-server.request");
  assertEquals(requests.map(({ method, route, status, token }) => [method, route, status, token]), [
    ["POST", "/upload_asset", 201, "ci-pipeline"],
    ["POST", "/assets", 200, "read-1"],
    ["GET", "/asset/:uri", 401, undefined],
    ["GET", "/livez", 200, undefined],
  ]);
  const [upload = {}] = requests;
  assertEquals([upload.id, upload.client], ["upload-1", "127.0.0.1"]);
  assert(
    Number(upload.bytes_in) > 50_000 && Number(upload.bytes_out) > 100 && Number(upload.duration_ms) > 0,
  );
  assertEquals(requests.at(-1)?.client, "127.0.0.1");
  const all = JSON.stringify(lines) + await program.output;
  assert(!all.includes("SECRET"), all);
});

Deno.test("--log-format text writes one line for every request, which no client can break", async () => {
  await using program = await start(["--port", "0", "--data-dir", await newFolder()]);
  await rawRequest(program, "GET", "/asset/a%0ab%22", {
    headers: ['X-Request-Id: a" b', "X-Forwarded-For: 1.2.3.4\tx"],
  });
  await rawRequest(program, "GE'T", "/asset/x");
  const connection = await connect(program);
  await writeAll(
    connection,
    "POST /assets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
  );
  await send(program, "/livez");
  connection.close();
  await program.says("POST /assets 400");
  const lines = (await stopped(program)).filter((line) => line.includes("assets-server·request"));
  const form =
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \+00:00 \[INF\] assets-server·request: \S+ \S+ \d{3} in [\d.]+ ms, \d+ bytes in, \d+ out, 127\.0\.0\.1, [\w=-]+(, broken off)?$/;
  for (const line of lines) assert(form.test(line), line);
  assertEquals(lines.length, 4, lines.join("\n"));
});

Deno.test("--log-level warning is silent about requests, and tells of failures with the request's id", async () => {
  const dataDir = await newFolder();
  await using program = await start(["--port", "0", "--data-dir", dataDir], { LOG_LEVEL: "warning" });
  await send(program, "/livez");
  await Deno.remove(`${dataDir}/objects`, { recursive: true }).catch(() => {});
  await Deno.writeTextFile(`${dataDir}/objects`, "no folder");
  const headers = { "X-Request-Id": "failing-1" };
  const failed = await send(program, "/upload_asset", { method: "POST", body: uploadForm("x"), headers });
  assertEquals(failed.status, 502);
  const lines = await stopped(program);
  assert(
    lines.some((line) => line.includes("failing-1") && line.includes("storage_error")),
    lines.join("\n"),
  );
  assert(!lines.some((line) => line.includes("[INF]")), lines.join("\n"));
});

Deno.test("A wrong log format or level ends the program with exit code 2 and one line that names it", async () => {
  for (const [flag, value] of [["--log-format", "xml"], ["--log-level", "loud"]] as const) {
    const { code, stderr } = await run([flag, value], { DATA_DIR: await newFolder(), PORT: "0" });
    assertEquals([code, stderr.trimEnd().split("\n").length], [2, 1], stderr);
    assert(stderr.includes(flag), stderr);
  }
});

Deno.test("A log that nobody reads holds up neither requests nor the end", async () => {
  const flags = ["--port", "0", "--data-dir", await newFolder()];
  await using program = await start(flags, {}, { isLogRead: false });
  const id = "x".repeat(128);
  const before = performance.now();
  // More than the pipe of 64 KiB holds.
  for (let n = 0; n < 1000; n++) await send(program, "/livez", { headers: { "X-Request-Id": id } });
  program.child.kill("SIGTERM");
  assertEquals((await program.child.status).code, 0);
  assert(performance.now() - before < 15_000);
});
