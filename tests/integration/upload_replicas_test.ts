/** Resumable uploads that reach two replicas of one Assets DB at once: a real KV server, a real S3 service, two processes. */
import { assert, assertEquals } from "@std/assert";
import { startDenokv } from "../../scripts/services/denokv.ts";
import { startMinio } from "../../scripts/services/minio.ts";
import { present } from "../present.ts";
import { type Answer, assertStatus, send } from "../server/client.ts";
import { type ProcessServer, startProcessServer } from "./process_server.ts";
import { seededBytes, sha256Of } from "./seeded_bytes.ts";

const MIB = 2 ** 20;
const SIZE_BYTES = 40 * MIB;
const TUS = { "Tus-Resumable": "1.0.0" };

/** A lease of a node that has died lasts 12 s; the rest is for the machine. */
const MOST_TAKEOVER_MS = 20_000;

/** Whoever works on an upload lets go within some seconds. */
const MOST_HANDOVER_MS = 12_000;

interface Replicas extends AsyncDisposable {
  a: ProcessServer;
  b: ProcessServer;
}

async function startReplicas(): Promise<Replicas> {
  const stack = new AsyncDisposableStack();
  const [denokv, s3] = await Promise.all([startDenokv(), startMinio()]);
  stack.use(denokv);
  stack.use(s3);
  await s3.createBucket("replicas");
  Deno.env.set("DENO_KV_ACCESS_TOKEN", denokv.token);
  const start = async () =>
    stack.use(
      await startProcessServer({
        db: denokv.url,
        assetsDbId: "a",
        publicUrl: "http://localhost:1",
        s3Bucket: "replicas",
        s3Endpoint: s3.endpoint,
        s3AccessKeyId: s3.accessKeyId,
        s3SecretAccessKey: s3.secretAccessKey,
      }),
    );
  const [a, b] = [await start(), await start()];
  return { a, b, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("Two replicas share their uploads", async (t) => {
  await using replicas = await startReplicas();
  await t.step(
    "of two PATCHes for one offset one counts, the other is 409 or 423, and the file is the first's",
    () => race(replicas),
  );
  await t.step(
    "an upload whose connection stands still on one goes on through the other",
    () => handOver(replicas),
  );
  await t.step("an upload goes on through the other when one is killed", () => takeOver(replicas));
});

async function race({ a, b }: Replicas): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const path = await begin(a, `race ${round}`);
    // Whole parts of different bytes: a part sent twice under one number would spoil the other's.
    const seeds = [2 * round + 1, 2 * round + 2];
    const answers = await Promise.all(
      [a, b].map((node, n) => patch(node, path, 0, seededBytes(present(seeds[n]), 0, SIZE_BYTES))),
    );
    const winner = answers.findIndex(({ status }) => status === 204);
    const loser = present(answers[1 - winner]);
    assertEquals(answers.filter(({ status }) => status === 204).length, 1, answers.map(summary).join());
    assert([409, 423].includes(loser.status), summary(loser));
    await finishAndCompare(b, path, present(seeds[winner]));
  }
}

async function handOver({ a, b }: Replicas): Promise<void> {
  const path = await begin(a, "handed over");
  const client = new AbortController();
  const stuck = patch(a, path, 0, thenNothing(100, 18 * MIB, client.signal), client.signal);
  await pause(1500);
  const startedAt = performance.now();
  const offset = await offsetAt(b, path);
  assert(offset >= 16 * MIB, `${offset} bytes are there`);
  const rest = seededBytes(100, offset, SIZE_BYTES - offset);
  assertStatus(await patch(b, path, offset, rest), 204);
  const tookMs = performance.now() - startedAt;
  assert(tookMs < MOST_HANDOVER_MS, `it took ${tookMs} ms`);
  await finishAndCompare(a, path, 100);
  client.abort();
  await stuck.catch(() => {});
}

async function takeOver({ a, b }: Replicas): Promise<void> {
  const path = await begin(b, "taken over");
  const client = new AbortController();
  const stuck = patch(a, path, 0, thenNothing(200, 18 * MIB, client.signal), client.signal).catch(() => {});
  await pause(1500);
  Deno.kill(a.pid, "SIGKILL");
  await a.ended;
  client.abort();
  await stuck;
  const startedAt = performance.now();
  const offset = await offsetAt(b, path);
  assertStatus(await patch(b, path, offset, seededBytes(200, offset, SIZE_BYTES - offset)), 204);
  const tookMs = performance.now() - startedAt;
  assert(tookMs < MOST_TAKEOVER_MS, `it took ${tookMs} ms`);
  await finishAndCompare(b, path, 200);
}

async function begin(node: ProcessServer, name: string): Promise<string> {
  const metadata = JSON.stringify({ asset_name: name, asset_version: { version: "1", tag: "a" } });
  const answer = await send(node, "/uploads/", {
    method: "POST",
    headers: {
      ...TUS,
      "Upload-Length": String(SIZE_BYTES),
      "Upload-Metadata": `filename ${btoa("f.bin")},asset_metadata ${btoa(metadata)}`,
    },
  });
  return new URL(assertStatus(answer, 201).headers.get("Location") ?? "", node.url).pathname;
}

function patch(
  node: ProcessServer,
  path: string,
  offset: number,
  body: BodyInit,
  signal?: AbortSignal,
): Promise<Answer> {
  const headers = {
    ...TUS,
    "Upload-Offset": String(offset),
    "Content-Type": "application/offset+octet-stream",
  };
  return send(node, path, { method: "PATCH", headers, body, signal });
}

async function offsetAt(node: ProcessServer, path: string): Promise<number> {
  const answer = assertStatus(await send(node, path, { method: "HEAD", headers: TUS }), 200);
  return Number(answer.headers.get("Upload-Offset"));
}

/** Sends what is missing of the file of that seed, then compares what is stored with it. */
async function finishAndCompare(node: ProcessServer, path: string, seed: number): Promise<void> {
  const offset = await offsetAt(node, path);
  if (offset < SIZE_BYTES) {
    assertStatus(await patch(node, path, offset, seededBytes(seed, offset, SIZE_BYTES - offset)), 204);
  }
  const told = assertStatus(await send(node, path, { method: "HEAD", headers: TUS }), 200);
  const file = await fetch(`${node.url}/asset-object/${told.headers.get("Asset-Id")}`);
  assertEquals(file.status, 200);
  const digest = await sha256Of([seededBytes(seed, 0, SIZE_BYTES)]);
  assertEquals(file.headers.get("ETag"), `"${digest}"`);
  assertEquals(await sha256Of(present(file.body)), digest);
}

/** The first bytes of the file of that seed, and then silence. */
function thenNothing(seed: number, sizeBytes: number, signal: AbortSignal): ReadableStream<Uint8Array> {
  let sentBytes = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (sentBytes >= sizeBytes) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        return controller.close();
      }
      const bytes = seededBytes(seed, sentBytes, Math.min(MIB, sizeBytes - sentBytes));
      sentBytes += bytes.length;
      controller.enqueue(bytes);
    },
  });
}

function summary({ status, text, headers }: Answer): string {
  return `${status} ${headers.get("Upload-Offset")} ${text}`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
