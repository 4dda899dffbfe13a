/** The S3 store against s3rver, a server that knows nothing of our code. */

import { assertEquals, assertRejects } from "@std/assert";
import { ServiceError } from "../../src/errors.ts";
import { S3Store } from "../../src/objects/s3_store.ts";
import { objectStoreSuite, patternBytes, streamOf } from "./object_store_suite.ts";
import { startS3rver } from "./s3rver.ts";

objectStoreSuite("S3Store on s3rver", async () => {
  const server = await startS3rver();
  const store = new S3Store({ ...server, addressing: "path", prefix: "/team/a/" });
  return { store, close: () => server.stop() };
}, { lacksUnfinished: true, lacksFirstByteRange: true });

Deno.test("S3Store puts its prefix before every key and keeps the content type", async () => {
  const server = await startS3rver();
  try {
    const config = { ...server, addressing: "path" as const };
    await new S3Store({ ...config, prefix: "team/a" })
      .put("asset/1", streamOf(patternBytes(9)), { contentType: "text/plain; charset=utf-8" });
    const keys = [];
    for await (const { key } of new S3Store(config).list("")) keys.push(key);
    assertEquals(keys, ["team/a/asset/1"]);
    const answer = await fetch(`${server.endpoint}/${server.bucket}/team/a/asset/1`);
    assertEquals(answer.headers.get("content-type"), "text/plain; charset=utf-8");
    await answer.body?.cancel();
  } finally {
    await server.stop();
  }
});

Deno.test("S3Store.get() does not take the wrong range for the right one", async () => {
  const server = await startS3rver();
  try {
    const store = new S3Store({ ...server, addressing: "path" });
    await store.put("asset/1", streamOf(patternBytes(9)), { contentType: "text/plain" });
    const error = await assertRejects(
      () => store.get("asset/1", { range: { start: 0, end: 0 } }),
      ServiceError,
    );
    assertEquals(error.code, "storage_error");
  } finally {
    await server.stop();
  }
});

Deno.test("S3Store.check() passes in a bucket with many objects", async () => {
  const server = await startS3rver();
  try {
    const store = new S3Store({ ...server, addressing: "path" });
    for (const key of ["a", "b", "c"]) {
      await store.put(key, streamOf(patternBytes(9)), { contentType: "text/plain" });
    }
    await store.check();
  } finally {
    await server.stop();
  }
});

Deno.test("S3Store.check() names a bucket that is not there", async () => {
  const server = await startS3rver();
  try {
    const store = new S3Store({ ...server, bucket: "nowhere", addressing: "path" });
    const error = await assertRejects(() => store.check(), ServiceError, '"nowhere"');
    assertEquals(error.code, "storage_error");
  } finally {
    await server.stop();
  }
});

Deno.test("S3Store.listUnfinished() says when the server has no such listing", async () => {
  const server = await startS3rver();
  try {
    const listing = new S3Store({ ...server, addressing: "path" }).listUnfinished("")[Symbol.asyncIterator]();
    const error = await assertRejects(() => listing.next(), ServiceError, "does not offer");
    assertEquals(error.code, "storage_error");
  } finally {
    await server.stop();
  }
});
