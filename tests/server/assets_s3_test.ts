import { assertEquals } from "@std/assert";
import type { SettingTexts } from "../../src/cli/settings.ts";
import { startS3rver } from "../objects/s3rver.ts";
import { fileSuite } from "./asset_suite.ts";
import { uploaded } from "./client.ts";
import { startTestServer, type TestServer } from "./harness.ts";

/** A server on a bucket of its own. */
async function startOnS3rver(settings: SettingTexts = {}): Promise<TestServer> {
  const s3 = await startS3rver();
  const server = await startTestServer({
    s3Bucket: s3.bucket,
    s3Endpoint: s3.endpoint,
    s3AccessKeyId: s3.accessKeyId,
    s3SecretAccessKey: s3.secretAccessKey,
    ...settings,
  });
  const stop = server[Symbol.asyncDispose].bind(server);
  return Object.assign(server, {
    async [Symbol.asyncDispose]() {
      await stop();
      await s3.stop();
    },
  });
}

fileSuite("Assets on S3", startOnS3rver, { lacksUnfinished: true, lacksFirstByteRange: true });

Deno.test("Assets on S3: a file is kept under <prefix>/asset/<asset_id> with its type", async () => {
  await using server = await startOnS3rver({ s3Prefix: "team/a" });
  const { id } = await uploaded(server, "bytes", { fileType: "text/plain" });
  const { endpoint, bucket } = server.config.s3 ?? {};
  const object = await fetch(`${endpoint}/${bucket}/team/a/asset/${id}`);
  assertEquals([object.status, await object.text()], [200, "bytes"]);
  assertEquals(object.headers.get("Content-Type"), "text/plain");
});
