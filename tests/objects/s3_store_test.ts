/** Reading and listing through the S3 store, and what it says of failures. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ServiceError } from "../../src/errors.ts";
import { S3Store } from "../../src/objects/s3_store.ts";
import { bytesOf, patternBytes, streamOf } from "./object_store_suite.ts";
import {
  errorAnswer,
  NotingClock,
  scriptedConfig,
  startScriptedS3,
  withStore,
  xmlAnswer,
} from "./scripted_s3.ts";

const CONTENT_TYPE = { contentType: "text/plain" };

Deno.test("S3Store.list() and listUnfinished() go through all pages, with decoded keys and markers", async () => {
  await withStore((_operation, { query }) => {
    if (query.has("uploads")) {
      assertEquals(query.get("prefix"), "p/");
      if (!query.has("key-marker")) {
        return xmlAnswer(
          "<L><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextKeyMarker>p/a+b</NextKeyMarker>" +
            "<NextUploadIdMarker>007</NextUploadIdMarker><Upload><Key>p/a+b</Key><UploadId>007</UploadId>" +
            "<Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload></L>",
        );
      }
      assertEquals([query.get("key-marker"), query.get("upload-id-marker")], ["p/a b", "007"]);
      return xmlAnswer("<L><IsTruncated>false</IsTruncated></L>");
    }
    const entry = (key: string) =>
      `<Contents><Key>${key}</Key><Size>5</Size><LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>`;
    return query.get("continuation-token") === "1==&2"
      ? xmlAnswer(`<L><IsTruncated>false</IsTruncated>${entry("p/1e3")}</L>`)
      : xmlAnswer(
        "<L><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>" +
          `<NextContinuationToken>1==&amp;2</NextContinuationToken>${entry("p/%00%2B+%C3%A9")}${
            entry("p/2")
          }</L>`,
      );
  }, async (store) => {
    const keys = (await Array.fromAsync(store.list(""))).map((object) => object.key);
    assertEquals(keys, ["\0+ é", "2", "1e3"]);
    assertEquals(await Array.fromAsync(store.listUnfinished("")), [
      { key: "a b", writeId: "007", startedAt: new Date("2026-01-02T03:04:05Z") },
    ]);
  });
});

Deno.test("S3Store.list() does not go round in circles, nor make sense of nonsense", async () => {
  const answers = [
    "<L><IsTruncated>true</IsTruncated></L>",
    "<L><IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken></L>",
    "<L><Contents><Key>k</Key><Size>many</Size><LastModified>2026-01-02T03:04:05Z</LastModified></Contents></L>",
    "<L><Contents><Key>k</Key><Size>1</Size><LastModified>yesterday</LastModified></Contents></L>",
    "<L><EncodingType>url</EncodingType><Contents><Key>%FF</Key><Size>1</Size></Contents></L>",
    "<L>",
    "<!DOCTYPE L><L/>",
  ];
  for (const answer of answers) {
    await withStore(() => xmlAnswer(answer), async (store) => {
      const error = await assertRejects(() => Array.fromAsync(store.list("")), ServiceError);
      assertEquals(error.code, "storage_error");
    });
  }
});

Deno.test("S3Store.get() gives the stream's error when the connection breaks in the middle", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    const connection = await listener.accept();
    await connection.read(new Uint8Array(65_536));
    await connection.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"));
    connection.close();
  })();
  const store = new S3Store(scriptedConfig(`http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`));
  const stream = await store.get("k");
  await assertRejects(() => bytesOf(stream), TypeError);
  await serving;
  listener.close();
});

Deno.test("S3Store.get() can be ended by its signal while the bytes flow", async () => {
  const abort = new AbortController();
  const slow = () => new Response(new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(10)) }));
  await withStore(() => slow(), async (store) => {
    const reader = (await store.get("k", { signal: abort.signal })).getReader();
    await reader.read();
    abort.abort(new Error("enough"));
    await assertRejects(
      async () => {
        while (!(await reader.read()).done);
      },
      Error,
      "enough",
    );
  });
});

Deno.test("S3Store.get() throws storage_error when a range is ignored or refused", async () => {
  const range = { start: 2, end: 4 };
  for (const answer of [() => new Response("whole"), () => errorAnswer(416, "InvalidRange")]) {
    await withStore(answer, async (store) => {
      assertEquals(
        (await assertRejects(() => store.get("k", { range }), ServiceError)).code,
        "storage_error",
      );
    });
  }
});

Deno.test("S3Store explains errors in a sentence that names the place and no secret", async () => {
  const explained: [number, string, string, string?][] = [
    [404, "NoSuchBucket", 'no bucket "assets"'],
    [403, "AccessDenied", "denies access"],
    [403, "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"],
    [403, "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY", "<AWSAccessKeyId>AKIDEXAMPLE</AWSAccessKeyId>"],
    [301, "PermanentRedirect", "assets.eu-9.example", "<Endpoint>assets.eu-9.example</Endpoint>"],
    [400, "AuthorizationHeaderMalformed", '"eu-9"', "<Region>eu-9</Region>"],
    [403, "RequestTimeTooSkewed", "clock"],
    [418, "Teapot", "Teapot it is"],
  ];
  for (const [status, code, sentence, more] of explained) {
    await withStore(() => errorAnswer(status, code, { more }), async (store) => {
      const error = await assertRejects(() => store.check(), ServiceError, sentence);
      assertEquals(error.code, "storage_error");
      assertEquals(/AKIDEXAMPLE|very-secret/.test(error.message + JSON.stringify(error.details)), false);
      assert(error.message.includes("http://127.0.0.1:"));
    });
  }
});

Deno.test("S3Store.check() does not try twice", async () => {
  await withStore(() => errorAnswer(503, "SlowDown"), async (store, operations) => {
    await assertRejects(() => store.check(), ServiceError);
    assertEquals(operations(), ["get"]);
  });
});

Deno.test("S3Store says storage_error when nobody listens", async () => {
  const server = startScriptedS3(() => new Response());
  await server.stop();
  const store = new S3Store(scriptedConfig(server.endpoint), { clock: new NotingClock() });
  const error = await assertRejects(
    () => store.put("k", streamOf(patternBytes(9)), CONTENT_TYPE),
    ServiceError,
    "can't be reached",
  );
  assertEquals(error.code, "storage_error");
});

Deno.test("S3Store.delete() and discardUnfinished() do not mind what is gone, but a missing bucket", async () => {
  const write = { key: "k", writeId: "u", startedAt: new Date() };
  await withStore(
    (operation) => errorAnswer(404, operation === "abort" ? "NoSuchUpload" : "NoSuchKey"),
    async (store) => {
      await store.delete("k");
      await store.discardUnfinished(write);
      assertEquals(await store.head("k"), undefined);
    },
  );
  await withStore(() => errorAnswer(404, "NoSuchBucket"), async (store) => {
    await assertRejects(() => store.delete("k"), ServiceError, "no bucket");
    await assertRejects(() => store.discardUnfinished(write), ServiceError, "no bucket");
  });
});

Deno.test("S3Store.description names bucket, prefix and endpoint", () => {
  const config = { ...scriptedConfig("https://s3.test:9000/x/"), prefix: "/a/b/" };
  assertEquals(new S3Store(config).description, "s3://assets/a/b/ at https://s3.test:9000/x");
});
