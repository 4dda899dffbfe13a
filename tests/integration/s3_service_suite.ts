/** What the server must do on a real S3 service, that services of one process in a test cannot show. */
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import type { S3Service } from "../../scripts/services/s3_service.ts";
import type { SettingTexts } from "../../src/cli/settings.ts";
import { S3Store } from "../../src/objects/s3_store.ts";
import { objectStoreSuite, patternBytes } from "../objects/object_store_suite.ts";
import { resumableSuite } from "../objects/resumable_suite.ts";
import { assetSuite } from "../server/asset_suite.ts";
import { json, startTestServer, type TestServer, uploadForm } from "../server/harness.ts";

const MIB = 2 ** 20;

/** A service and a bucket in it. */
export interface ServiceUnderTest {
  /** Opened before the tests of a file, stopped after them. */
  service: () => S3Service;
  bucket: string;
}

/**
 * Starts a service before the tests of the calling file, and stops it after them.
 *
 * @param start from `scripts/services`
 */
export function withService(start: () => Promise<S3Service>): ServiceUnderTest {
  let service: S3Service | undefined;
  const bucket = "assets";
  Deno.test.beforeAll(async () => {
    service = await start();
    await service.createBucket(bucket);
  });
  Deno.test.afterAll(() => service?.stop());
  return {
    bucket,
    service() {
      if (!service) throw new Error("The service has not been started");
      return service;
    },
  };
}

/** The settings of a server on this service; each gets a prefix of its own, so that it finds an empty bucket. */
export function settingsFor({ service, bucket }: ServiceUnderTest, more: SettingTexts = {}): SettingTexts {
  const { endpoint, accessKeyId, secretAccessKey, region } = service();
  const s3 = {
    s3Endpoint: endpoint,
    s3Region: region,
    s3AccessKeyId: accessKeyId,
    s3SecretAccessKey: secretAccessKey,
  };
  return { s3Bucket: bucket, s3Prefix: `test/${crypto.randomUUID()}`, ...s3, ...more };
}

/** Registers the tests. */
export function s3ServiceSuite(name: string, under: ServiceUnderTest): void {
  assetSuite(`Assets on ${name}`, (settings) => startTestServer(settingsFor(under, settings)));
  objectStoreSuite(
    `S3Store on ${name}`,
    () => Promise.resolve({ store: storeOf(under), close: async () => {} }),
  );
  resumableSuite(`S3Store on ${name}`, () => {
    const prefix = `suite/${crypto.randomUUID()}`;
    return Promise.resolve({ open: () => storeOf(under, prefix), close: async () => {} });
  });

  Deno.test(`${name}: 100 MB go up in parts and come back byte by byte, whole and in a range`, async () => {
    await using server = await startTestServer(settingsFor(under));
    const bytes = patternBytes(100 * 1000 * 1000);
    const response = await upload(server, bytes);
    assertEquals(response.status, 201);
    const { data, public_url } = await response.json();
    assertEquals(data.asset_file_info.file_size, bytes.length);
    const path = new URL(public_url).pathname;
    assertEquals(await digest(await get(server, path)), data.asset_file_info.sha256);
    assertEquals(data.asset_file_info.sha256, await hex(bytes));
    const range = await fetch(server.url + path, { headers: { Range: "bytes=50000000-50000099" } });
    assertEquals(new Uint8Array(await range.arrayBuffer()), bytes.slice(50_000_000, 50_000_100));
    await (await fetch(`${server.url}/asset/Sample:1.0-initial`, { method: "DELETE" })).json();
    await assertEmpty(server);
  });

  Deno.test(`${name}: a wrong secret is 502 with a sentence, /health is 503, and nothing is left`, async () => {
    const settings = settingsFor(under, { s3SecretAccessKey: "wrong" });
    await using server = await startTestServer(settings);
    const response = await upload(server, "some bytes");
    const { code, error } = await response.json();
    assertEquals([response.status, code], [502, "storage_error"]);
    assert(error.includes("assets") && !error.includes("wrong"), error);
    assertEquals(await health(server), 503);
    await assertNoDocuments(server);
  });

  Deno.test(`${name}: a missing bucket is 502 with a sentence that names it`, async () => {
    await using server = await startTestServer(settingsFor(under, { s3Bucket: "no-such-bucket" }));
    for (const size of [10, 20 * MIB]) {
      const response = await upload(server, patternBytes(size));
      const { code, error } = await response.json();
      assertEquals([response.status, code], [502, "storage_error"]);
      assert(error.includes("no-such-bucket"), error);
    }
    assertEquals(await health(server), 503);
    await assertNoDocuments(server);
  });

  Deno.test(`${name}: when it goes away in an upload, that fails; when it is back, all works and nothing is left`, async () => {
    await using server = await startTestServer(settingsFor(under));
    const bytes = patternBytes(64 * MIB);
    let sent = 0;
    const form = new Response(uploadForm(bytes));
    const body = form.body?.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        async transform(chunk, controller) {
          sent += chunk.length;
          if (sent > 32 * MIB && sent - chunk.length <= 32 * MIB) await under.service().kill();
          controller.enqueue(chunk);
        },
      }),
    );
    const headers = { "Content-Type": form.headers.get("Content-Type") ?? "" };
    const response = await fetch(`${server.url}/upload_asset`, { method: "POST", body, headers });
    assertEquals([response.status, (await response.json()).code], [502, "storage_error"]);
    assertEquals(await health(server), 503);
    await under.service().restart();
    assertEquals(await health(server), 200);
    await assertNoDocuments(server);
    // A server that starts clears what the one before could not reach.
    await server.restart();
    await untilEmpty(server);
    assertEquals((await upload(server, bytes)).status, 201);
    const { data } = await (await fetch(`${server.url}/asset/Sample:1.0-initial`)).json();
    const path = new URL(data.asset_public_url).pathname;
    assertEquals(await digest(await get(server, path)), await hex(bytes));
  });

  Deno.test(`${name}: a client that hangs up leaves no object and no open multipart upload`, async () => {
    await using server = await startTestServer(settingsFor(under));
    const hangUp = new AbortController();
    let sent = 0;
    const form = new Response(uploadForm(patternBytes(64 * MIB)));
    const body = form.body?.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          sent += chunk.length;
          if (sent > 40 * MIB) hangUp.abort();
          controller.enqueue(chunk);
        },
      }),
    );
    const headers = { "Content-Type": form.headers.get("Content-Type") ?? "" };
    const upload = { method: "POST", body, headers, signal: hangUp.signal };
    const outcome = await fetch(`${server.url}/upload_asset`, upload).then(() => "answered", () => "aborted");
    assertEquals(outcome, "aborted");
    await untilEmpty(server);
    await assertNoDocuments(server);
  });

  Deno.test(`${name}: downloads can be redirected to a presigned URL that says the right name and type`, async () => {
    const redirected = settingsFor(under, { s3RedirectDownloads: "true" });
    await using server = await startTestServer(redirected);
    const form = uploadForm("some bytes", {
      fileName: "модель 1.txt",
      fileType: "text/plain; charset=utf-8",
    });
    const { public_url } = await (await fetch(`${server.url}/upload_asset`, { method: "POST", body: form }))
      .json();
    const url = server.url + new URL(public_url).pathname;
    const answer = await fetch(url, { redirect: "manual" });
    await answer.body?.cancel();
    assertEquals(answer.status, 307);
    assert(answer.headers.get("Location")?.startsWith(under.service().endpoint));
    const file = await fetch(url);
    assertEquals(await file.text(), "some bytes");
    assertEquals(file.headers.get("Content-Type"), "text/plain; charset=utf-8");
    assert(
      file.headers.get("Content-Disposition")?.includes("%D0%BC"),
      file.headers.get("Content-Disposition") ?? "",
    );
    const head = await fetch(url, { method: "HEAD", redirect: "manual" });
    assertEquals([head.status, head.headers.get("Content-Length")], [200, "10"]);
  });
}

function storeOf({ service, bucket }: ServiceUnderTest, prefix = `suite/${crypto.randomUUID()}`): S3Store {
  const { endpoint, accessKeyId, secretAccessKey, region } = service();
  return new S3Store({ bucket, endpoint, region, prefix, addressing: "path", accessKeyId, secretAccessKey });
}

/** The store that a server under test uses. */
function storeBehind(server: TestServer): S3Store {
  if (!server.config.s3) throw new Error("This server has no S3 store");
  return new S3Store(server.config.s3);
}

async function upload(server: TestServer, bytes: Uint8Array<ArrayBuffer> | string): Promise<Response> {
  return await fetch(`${server.url}/upload_asset`, { method: "POST", body: uploadForm(bytes) });
}

async function get(server: TestServer, path: string): Promise<ReadableStream<Uint8Array>> {
  const response = await fetch(server.url + path);
  assertEquals(response.status, 200);
  return response.body ?? new Blob([]).stream();
}

async function health(server: TestServer): Promise<number> {
  const response = await fetch(`${server.url}/health`);
  await response.body?.cancel();
  return response.status;
}

async function assertNoDocuments(server: TestServer): Promise<void> {
  const response = await fetch(`${server.url}/assets`, json("POST", {}));
  assertEquals((await response.json()).data, []);
}

async function leftovers(server: TestServer): Promise<string[]> {
  const store = storeBehind(server);
  const left: string[] = [];
  for await (const { key } of store.list("")) left.push(key);
  for await (const { key } of store.listUnfinished("asset/")) left.push(`unfinished ${key}`);
  return left;
}

async function assertEmpty(server: TestServer): Promise<void> {
  assertEquals(await leftovers(server), []);
}

/** What follows a broken connection happens after the client has gone; it must happen soon. */
async function untilEmpty(server: TestServer): Promise<void> {
  for (let n = 0; n < 100 && (await leftovers(server)).length > 0; n++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await assertEmpty(server);
}

async function digest(stream: ReadableStream<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest("hex");
}

async function hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
