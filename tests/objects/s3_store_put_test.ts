/** Writing through the S3 store: parts, their bounds, and what is left when something fails. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ServiceError } from "../../src/errors.ts";
import { bytesOf, patternBytes, sameBytes, streamOf, streamThen } from "./object_store_suite.ts";
import { errorAnswer, operationOf, type SeenRequest, wellAnswered, withStore } from "./scripted_s3.ts";

const MIB = 2 ** 20;
const CONTENT_TYPE = { contentType: "text/plain" };

/** An answer to HEAD that describes an object changed so many seconds ago. */
function headAnswer(sizeBytes: number, ageSeconds = 0): Response {
  return new Response(null, {
    headers: {
      "content-length": String(sizeBytes),
      "last-modified": new Date(Date.now() - ageSeconds * 1000).toUTCString(),
      date: new Date().toUTCString(),
    },
  });
}

Deno.test("S3Store.put() sends up to 8 MiB with one request", async () => {
  await withStore(() => undefined, async (store, operations, requests) => {
    await store.put("k", streamOf(patternBytes(8 * MIB)), CONTENT_TYPE);
    assertEquals(operations(), ["put"]);
    assertEquals(requests[0]?.path, "/assets/p/k");
    assertEquals(requests[0]?.headers.get("content-type"), "text/plain");
  });
});

Deno.test("S3Store.put() sends parts in any order and completes them in theirs", async () => {
  await withStore(() => undefined, async (store, operations, requests) => {
    const bytes = patternBytes(20 * MIB);
    assertEquals(await store.put("k", streamOf(bytes, 999_999), CONTENT_TYPE), { sizeBytes: bytes.length });
    assertEquals(operations().sort(), ["complete", "create", "part", "part", "part"]);
    const parts = requests.filter((request) => operationOf(request) === "part")
      .sort((a, b) => Number(a.query.get("partNumber")) - Number(b.query.get("partNumber")));
    assert(sameBytes(await bytesOf(ReadableStream.from(parts.map((part) => part.body))), bytes));
    assertEquals(new Set(parts.map((part) => part.query.get("uploadId"))), new Set(["up+1/="]));
    assertEquals(requests[0]?.headers.get("content-type"), "text/plain");
    assertEquals(
      new TextDecoder().decode(requests.at(-1)?.body).match(/part-\d/g),
      ["part-1", "part-2", "part-3"],
    );
  });
});

Deno.test("S3Store.put() sends at most three parts at a time and buffers at most four", async () => {
  const chunkBytes = 256 * 1024;
  const source = patternBytes(chunkBytes);
  const threeHere = Promise.withResolvers<void>();
  let here = 0, mostHere = 0, answeredBytes = 0, pulledBytes = 0, mostBufferedBytes = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (pulledBytes === 72 * MIB) return controller.close();
      pulledBytes += chunkBytes;
      mostBufferedBytes = Math.max(mostBufferedBytes, pulledBytes - answeredBytes);
      controller.enqueue(source);
    },
  });
  await withStore((operation, request) => {
    if (operation !== "part") return undefined;
    mostHere = Math.max(mostHere, ++here);
    if (here === 3) threeHere.resolve();
    return threeHere.promise.then(() => {
      here--;
      answeredBytes += request.body.length;
      return wellAnswered(request);
    });
  }, async (store) => {
    await store.put("k", body, CONTENT_TYPE);
    assertEquals(mostHere, 3);
    // Beyond the four parts, one chunk is looked at and one waits in the stream's own queue.
    assert(mostBufferedBytes <= 32 * MIB + 2 * chunkBytes, `${mostBufferedBytes / MIB} MiB`);
  });
});

Deno.test("S3Store.put() aborts its upload when the stream errors", async () => {
  await withStore(() => undefined, async (store, operations) => {
    const lost = new Error("the client went away");
    const body = streamThen(patternBytes(20 * MIB), () => Promise.reject(lost));
    assertEquals(await assertRejects(() => store.put("k", body, CONTENT_TYPE), Error), lost);
    assert(operations().includes("abort"));
    assertEquals(operations().includes("complete"), false);
  });
});

Deno.test("S3Store.put() that is aborted cancels its source and the parts on their way", async () => {
  const abort = new AbortController();
  const never = Promise.withResolvers<Response>();
  const cancelled = Promise.withResolvers<unknown>();
  const chunk = patternBytes(MIB);
  let pulls = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => ++pulls <= 20 ? controller.enqueue(chunk) : new Promise(() => {}),
    cancel: (reason) => cancelled.resolve(reason),
  });
  await withStore((operation) => {
    if (operation !== "part") return undefined;
    abort.abort(new Error("shutting down"));
    return never.promise;
  }, async (store, operations) => {
    const put = store.put("k", body, { ...CONTENT_TYPE, signal: abort.signal });
    await assertRejects(() => put, Error, "shutting down");
    assertEquals(await cancelled.promise, abort.signal.reason);
    assert(operations().includes("abort"));
    never.resolve(new Response());
  });
});

Deno.test("S3Store.put() aborts its upload and cancels the source when a part fails", async () => {
  const cancelled = Promise.withResolvers<void>();
  const chunk = patternBytes(MIB);
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(chunk),
    cancel: () => cancelled.resolve(),
  });
  await withStore((operation, request) => {
    return operation === "part" && request.query.get("partNumber") === "2"
      ? errorAnswer(403, "QuotaExceeded")
      : undefined;
  }, async (store, operations) => {
    const error = await assertRejects(() => store.put("k", body, CONTENT_TYPE), ServiceError);
    assertEquals(error.code, "out_of_space");
    await cancelled.promise;
    assert(operations().includes("abort"));
  });
});

/** What is never answered, of how large an object, and all that is asked then. */
const SILENCES: [operation: string, sizeBytes: number, asked: string[]][] = [
  ["put", 1000, ["put", "put", "head"]],
  // What opens an upload must not happen twice.
  ["create", 9 * MIB, ["create"]],
  ["part", 8 * MIB + 1, ["create", "part", "part", "abort"]],
];

for (const [silent, sizeBytes, asked] of SILENCES) {
  Deno.test(`S3Store.put() ends when the store falls silent at a ${silent}, and clears up`, async () => {
    const never = Promise.withResolvers<Response>();
    const isSilent = ({ method }: Pick<SeenRequest, "method">) =>
      method === (silent === "create" ? "POST" : "PUT");
    await withStore(
      (_, request) => isSilent(request) ? never.promise : undefined,
      async (store, _, requests) => {
        const body = new Blob([patternBytes(sizeBytes)]).stream();
        const error = await assertRejects(() => store.put("k", body, CONTENT_TYPE), ServiceError)
          .finally(() => never.resolve(new Response()));
        assertEquals(error.code, "storage_error");
        // The parts are on their way at the same time; one tells how often each is sent.
        const seen = requests.filter((request) => request.query.get("partNumber") !== "2").map(operationOf);
        assertEquals(seen, asked);
      },
      { timeoutOf: (request) => isSilent(request) ? 500 : 10_000 },
    );
  });
}

Deno.test("S3Store.put() throws what failed first, also when the abort fails", async () => {
  await withStore((operation) => {
    if (operation === "part") return errorAnswer(403, "AccessDenied");
    return operation === "abort" ? errorAnswer(500, "InternalError") : undefined;
  }, async (store) => {
    const body = streamOf(patternBytes(9 * MIB));
    const error = await assertRejects(
      () => store.put("k", body, CONTENT_TYPE),
      ServiceError,
      "denies access",
    );
    assertEquals(error.code, "storage_error");
  });
});

Deno.test("S3Store.put() fails when the completion says so with status 200", async () => {
  await withStore(
    (operation) => operation === "complete" ? errorAnswer(200, "InvalidPart") : undefined,
    async (store, operations) => {
      const body = streamOf(patternBytes(9 * MIB));
      const error = await assertRejects(
        () => store.put("k", body, CONTENT_TYPE),
        ServiceError,
        "InvalidPart",
      );
      assertEquals(error.code, "storage_error");
      assertEquals(operations().slice(-2), ["complete", "abort"]);
    },
  );
});

for (
  const [name, failure] of [
    ["finds its upload gone", () => errorAnswer(404, "NoSuchUpload")],
    ["gets no clear answer", () => errorAnswer(500, "InternalError")],
  ] as const
) {
  Deno.test(`S3Store.put() whose completion ${name} looks whether the object is there`, async () => {
    const sizeBytes = 9 * MIB;
    const complete = (head: Response) => (operation: string) => {
      if (operation === "head") return head;
      return operation === "complete" ? failure() : undefined;
    };
    await withStore(complete(headAnswer(sizeBytes)), async (store, operations) => {
      assertEquals(await store.put("k", streamOf(patternBytes(sizeBytes)), CONTENT_TYPE), { sizeBytes });
      assertEquals(operations().includes("abort"), false);
    });
    // An object of another size, or an older one, is not the one just written.
    for (
      const head of [headAnswer(sizeBytes - 1), headAnswer(sizeBytes, 3600), errorAnswer(404, "NoSuchKey")]
    ) {
      await withStore(complete(head), async (store, operations) => {
        await assertRejects(
          () => store.put("k", streamOf(patternBytes(sizeBytes)), CONTENT_TYPE),
          ServiceError,
        );
        assertEquals(operations().at(-1), "abort");
      });
    }
  });
}

Deno.test("S3Store.put() removes what a PUT with an unknown end has left, but no older object", async () => {
  for (
    const [head, removes] of [[headAnswer(9), true], [headAnswer(9, 3600), false], [
      headAnswer(8),
      false,
    ]] as const
  ) {
    await withStore((operation) => {
      if (operation === "head") return head;
      return operation === "put" ? errorAnswer(504, "GatewayTimeout") : undefined;
    }, async (store, operations) => {
      await assertRejects(() => store.put("k", streamOf(patternBytes(9)), CONTENT_TYPE), ServiceError);
      assertEquals(operations().includes("delete"), removes);
    });
  }
});

Deno.test("S3Store.put() sends a media type that no header can hold as bytes of any kind", async () => {
  await withStore(() => undefined, async (store, _operations, requests) => {
    for (const contentType of ["text/plain\r\nx: y", "text/ü", ""]) {
      await store.put("k", streamOf(patternBytes(1)), { contentType });
      assertEquals(requests.at(-1)?.headers.get("content-type"), "application/octet-stream");
    }
  });
});
