/** What signals do to the program. */
import { assert, assertEquals } from "@std/assert";
import { at, filesBelow, send } from "./client.ts";
import { json, uploadForm } from "./harness.ts";
import { filePart, metadata, metadataPart, MULTIPART, multipartBody } from "./multipart.ts";
import { newFolder, type Program, removeFolders, start } from "./program.ts";
import { connect, readAnswer, writeAll } from "./raw.ts";

Deno.test.afterAll(removeFolders);

Deno.test("SIGTERM lets an upload in flight finish, then exits 0", async () => {
  const flags = ["--port", "0", "--data-dir", await newFolder()];
  await using program = await start(flags);
  // An idle connection must not hold it up.
  using _idle = await connect(program);
  const body = multipartBody([metadataPart(metadata()), filePart("x".repeat(200_000))]);
  using connection = await connect(program);
  const head =
    `POST /upload_asset HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: ${MULTIPART}\r\n`;
  await writeAll(connection, `${head}Content-Length: ${body.length}\r\n\r\n`);
  await writeAll(connection, body.subarray(0, 100_000));
  // Answers are in order of arrival at one event loop: once this one is here, the upload has begun.
  assertEquals((await send(program, "/health")).status, 200);
  program.child.kill("SIGTERM");
  await untilClosed(program);
  await writeAll(connection, body.subarray(100_000));
  const answer = await readAnswer(connection);
  assertEquals(answer.status, 201, answer.text);
  assertEquals((await program.child.status).code, 0);
  await using again = await start(flags);
  const kept = await send(again, "/asset/Sample:1.0-initial");
  assertEquals(at(kept.body, "data.asset_file_info.file_size"), 200_000);
});

Deno.test("SIGTERM cuts off after 10 s what never ends, exits 0, and leaves nothing of it", async () => {
  const dataDir = await newFolder();
  const flags = ["--port", "0", "--data-dir", dataDir];
  await using program = await start(flags);
  using _connection = await hangingUpload(program);
  const startedAt = performance.now();
  program.child.kill("SIGTERM");
  assertEquals((await program.child.status).code, 0);
  const tookMs = performance.now() - startedAt;
  assert(tookMs > 5000 && tookMs < 20_000, `${tookMs} ms`);
  await using again = await start(flags);
  assertEquals((await send(again, "/assets", json("POST", {}))).body.data, []);
  for (let tries = 0; tries < 200 && (await filesBelow(`${dataDir}/objects`)).length > 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assertEquals(await filesBelow(`${dataDir}/objects`), []);
  const uploaded = await send(again, "/upload_asset", { method: "POST", body: uploadForm("x") });
  assertEquals(uploaded.status, 201, uploaded.text);
});

Deno.test("A second signal ends the program at once, and what was in flight leaves nothing", async () => {
  const dataDir = await newFolder();
  const flags = ["--port", "0", "--data-dir", dataDir];
  await using program = await start(flags);
  using _connection = await hangingUpload(program);
  program.child.kill("SIGTERM");
  await untilClosed(program);
  // While it stops it is alive, but takes nothing more.
  assertEquals((await send(program, "/livez")).status, 200);
  const refused = await send(program, "/assets", json("POST", {}));
  assertEquals([refused.status, refused.body.code, refused.headers.get("Retry-After")], [
    503,
    "unavailable",
    "5",
  ]);
  const startedAt = performance.now();
  program.child.kill("SIGTERM");
  assertEquals((await program.child.status).code, 1);
  assert(performance.now() - startedAt < 3000);
  await using again = await start(flags);
  assertEquals((await send(again, "/assets", json("POST", {}))).body.data, []);
});

Deno.test("SIGTERM with nothing in flight ends the program within a second or two, whatever is connected", async () => {
  await using program = await start(["--port", "0", "--data-dir", await newFolder()]);
  using _silent = await connect(program);
  using slow = await connect(program);
  await writeAll(slow, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ");
  await send(program, "/livez");
  const startedAt = performance.now();
  program.child.kill("SIGTERM");
  assertEquals((await program.child.status).code, 0);
  assert(performance.now() - startedAt < 5000, `${performance.now() - startedAt} ms`);
});

/** An upload that has begun and does not go on. */
async function hangingUpload(program: Program): Promise<Deno.TcpConn> {
  const connection = await connect(program);
  const body = multipartBody([metadataPart(metadata()), filePart("x".repeat(100_000))], true);
  const head = `POST /upload_asset HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${MULTIPART}\r\n`;
  await writeAll(connection, `${head}Content-Length: ${body.length * 2}\r\n\r\n`);
  await writeAll(connection, body);
  assertEquals((await send(program, "/health")).status, 200);
  return connection;
}

/** Resolves once the server answers new requests no more as it did, which is when it has seen the signal. */
async function untilClosed(program: Program): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const status = await send(program, "/health").then((answer) => answer.status, () => undefined);
    if (status !== 200) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("It goes on as if there had been no signal");
}
