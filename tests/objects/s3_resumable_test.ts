/** Resumable writes to S3: on a real server, and what happens when requests fail. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Json } from "../../src/collection/json.ts";
import { ServiceError } from "../../src/errors.ts";
import type { ResumableState } from "../../src/objects/object_store.ts";
import { S3Store } from "../../src/objects/s3_store.ts";
import { patternBytes, streamOf } from "./object_store_suite.ts";
import { resumableSuite } from "./resumable_suite.ts";
import { startS3rver } from "./s3rver.ts";
import { errorAnswer, type SeenRequest, wellAnswered, withStore } from "./scripted_s3.ts";

const MIB = 2 ** 20;
const TIB = 2 ** 40;

resumableSuite("S3Store on s3rver", async () => {
  const server = await startS3rver();
  return {
    open: () => new S3Store({ ...server, addressing: "path", prefix: "team/a" }),
    close: () => server.stop(),
  };
}, { lacksUnfinished: true, lacksSpeed: true });

/** What a call says, in the order in which it says it. */
function noted() {
  const states: ResumableState[] = [];
  let digestedBytes = 0;
  return {
    states,
    digestedBytes: () => digestedBytes,
    digest: { update: (bytes: Uint8Array) => void (digestedBytes += bytes.length) },
    checkpoint: (state: ResumableState) => Promise.resolve(void states.push(state)),
  };
}

/** An answer with bytes, or to HEAD. */
function objectAnswer(sizeBytes: number): Response {
  return new Response(null, {
    headers: { "content-length": String(sizeBytes), "last-modified": new Date(0).toUTCString() },
  });
}

const LISTING = () => new Response("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");

function partNumberOf(request: SeenRequest): number {
  return Number(request.query.get("partNumber"));
}

Deno.test("S3Resumable.begin() opens no upload for what fits into one part, and refuses more than 5 TiB", async () => {
  await withStore(() => undefined, async ({ resumable }, operations, requests) => {
    await resumable.begin("k", { contentType: "text/plain", sizeBytes: 8 * MIB });
    assertEquals(operations(), []);
    await resumable.begin("k", { contentType: "text/ü", sizeBytes: 5 * TIB });
    assertEquals(operations(), ["create"]);
    assertEquals(requests[0]?.headers.get("content-type"), "application/octet-stream");
    const begin = () => resumable.begin("k", { contentType: "text/plain", sizeBytes: 5 * TIB + 1 });
    assertEquals((await assertRejects(begin, ServiceError)).code, "too_large");
  });
});

Deno.test("S3Resumable.append() counts parts in order, whatever the order of their answers", async () => {
  const othersHere = Promise.withResolvers<void>();
  let here = 0;
  await withStore((operation, request) => {
    if (operation !== "part") return undefined;
    if (++here === 3) othersHere.resolve();
    return partNumberOf(request) === 1
      ? othersHere.promise.then(() => wellAnswered(request))
      : wellAnswered(request);
  }, async ({ resumable }) => {
    const { states, digestedBytes, ...options } = noted();
    const begun = await resumable.begin("k", { contentType: "text/plain", sizeBytes: 24 * MIB });
    const state = await resumable.append("k", begun, streamOf(patternBytes(24 * MIB)), options);
    assertEquals(state.etags, ['"part-1"', '"part-2"', '"part-3"']);
    assertEquals([state.offset, digestedBytes(), states.length], [24 * MIB, 24 * MIB, 1]);
  });
});

Deno.test("S3Resumable.append() whose part fails counts none behind it, and takes no checkpoint any more", async () => {
  await withStore((operation, request) => {
    const fails = operation === "part" && partNumberOf(request) === 10;
    return fails ? errorAnswer(503, "SlowDown") : undefined;
  }, async ({ resumable }) => {
    const { states, digestedBytes, ...options } = noted();
    const begun = await resumable.begin("k", { contentType: "text/plain", sizeBytes: 104 * MIB });
    const body = streamOf(patternBytes(104 * MIB));
    const error = await assertRejects(() => resumable.append("k", begun, body, options), ServiceError);
    assertEquals(error.code, "storage_error");
    assertEquals(states.map(({ offset }) => offset), [64 * MIB]);
    assert(digestedBytes() <= 72 * MIB);
  });
});

Deno.test("S3Resumable.append() stores its tail before the checkpoint that counts it", async () => {
  let tailFails = true;
  await withStore((operation) => {
    return operation === "put" && tailFails ? errorAnswer(507, "InsufficientStorage") : undefined;
  }, async ({ resumable }, operations, requests) => {
    const { states, ...options } = noted();
    const begun = await resumable.begin("k", { contentType: "text/plain", sizeBytes: 20 * MIB });
    const append = () => resumable.append("k", begun, streamOf(patternBytes(9 * MIB)), options);
    assertEquals((await assertRejects(append, ServiceError)).code, "out_of_space");
    assertEquals(states, []);
    tailFails = false;
    const state = await append();
    assertEquals([state.offset, state.tail], [9 * MIB, MIB]);
    assertEquals(operations(), ["create", "part", "put", "part", "put"]);
    assert(requests.at(-1)?.path.startsWith(`/assets/p/unfinished/k/${state.writeId}/`));
  });
});

Deno.test("S3Resumable.append() removes a tail only once a call is given a state that has another", async () => {
  const tails = new Map<string, Uint8Array<ArrayBuffer>>();
  await withStore((operation, request) => {
    if (operation === "put") tails.set(request.path, new Uint8Array(request.body));
    if (operation === "delete") tails.delete(request.path);
    return operation === "get" ? new Response(tails.get(request.path)) : undefined;
  }, async ({ resumable }) => {
    const { states: _states, digestedBytes, ...options } = noted();
    const next = (state: ResumableState) => resumable.append("k", state, streamOf(patternBytes(10)), options);
    const first = await next(await resumable.begin("k", { contentType: "text/plain", sizeBytes: 100 }));
    const second = await next(first);
    assertEquals(tails.size, 2);
    const third = await next(second);
    assertEquals([...tails.keys()].map((path) => path.split("/").at(-1)), [second.tailId, third.tailId]);
    assertEquals([digestedBytes(), third.tail], [30, 30]);
  });
});

Deno.test("S3Resumable.append() that finds less of its tail than it counts fails, and so does one without it", async () => {
  for (
    const [answer, code] of [[() => new Response("12345"), "storage_error"], [
      () => errorAnswer(404, "NoSuchKey"),
      "not_found",
    ]] as const
  ) {
    await withStore((operation) => operation === "get" ? answer() : undefined, async ({ resumable }) => {
      const options = noted();
      const begun = await resumable.begin("k", { contentType: "text/plain", sizeBytes: 100 });
      const state = await resumable.append("k", begun, streamOf(patternBytes(10)), options);
      const append = () => resumable.append("k", state, streamOf(patternBytes(10)), options);
      assertEquals((await assertRejects(append, ServiceError)).code, code);
      assertEquals(options.states.length, 1);
    });
  }
});

Deno.test("S3Resumable.append() refuses more bytes than fit where no upload was opened", async () => {
  await withStore(() => undefined, async ({ resumable }) => {
    const begun = await resumable.begin("k", { contentType: "text/plain", sizeBytes: 8 * MIB });
    const append = () => resumable.append("k", begun, streamOf(patternBytes(8 * MIB + 1)), noted());
    assertEquals((await assertRejects(append, ServiceError)).code, "too_large");
  });
});

Deno.test("S3Resumable.append() whose signal fires ends with a store that does not answer", async () => {
  const never = Promise.withResolvers<Response>();
  const here = Promise.withResolvers<void>();
  await withStore((operation) => {
    if (operation !== "part") return undefined;
    here.resolve();
    return never.promise;
  }, async ({ resumable }) => {
    const stop = new AbortController();
    const options = noted();
    const begun = await resumable.begin("k", { contentType: "text/plain", sizeBytes: 20 * MIB });
    const body = streamOf(patternBytes(20 * MIB));
    const append = resumable.append("k", begun, body, { ...options, signal: stop.signal });
    append.catch(() => {});
    await here.promise;
    stop.abort(new Error("no time left"));
    assertEquals(await assertRejects(() => append, Error), stop.signal.reason);
    assertEquals(options.states, []);
    never.resolve(new Response());
  });
});

for (
  const [name, failure] of [["finds its upload gone", () => errorAnswer(404, "NoSuchUpload")], [
    "gets no clear answer",
    () => errorAnswer(500, "InternalError"),
  ]] as const
) {
  Deno.test(`S3Resumable.finish() whose completion ${name} looks whether the object is there`, async () => {
    for (const sizeBytes of [16 * MIB, 16 * MIB - 1]) {
      await withStore((operation) => {
        if (operation === "complete") return failure();
        if (operation === "head") return objectAnswer(sizeBytes);
        return operation === "get" ? LISTING() : undefined;
      }, async ({ resumable }) => {
        const begun = await resumable.begin("k", { contentType: "text/plain", sizeBytes: 16 * MIB });
        const state = await resumable.append("k", begun, streamOf(patternBytes(16 * MIB)), noted());
        const finish = () => resumable.finish("k", state);
        if (sizeBytes === 16 * MIB) await finish();
        else await assertRejects(finish, ServiceError);
      });
    }
  });
}

Deno.test("S3Resumable.finish() may be repeated after a failure of any of its requests", async () => {
  const objects = new Map<string, Uint8Array<ArrayBuffer>>();
  let isOpen = false, failing = Infinity;
  const answer = (operation: string, request: SeenRequest): Response | undefined => {
    // Carried out, but the client hears of a failure.
    const lost = --failing === 0 ? errorAnswer(403, "AccessDenied") : undefined;
    switch (operation) {
      case "create":
        isOpen = true;
        return undefined;
      case "part":
        return lost ?? (isOpen ? undefined : errorAnswer(404, "NoSuchUpload"));
      case "complete":
        if (!isOpen) return errorAnswer(404, "NoSuchUpload");
        isOpen = false;
        objects.set("/assets/p/k", new Uint8Array(9 * MIB));
        return lost;
      case "put":
        objects.set(request.path, new Uint8Array(request.body));
        return lost;
      case "delete":
        objects.delete(request.path);
        return lost;
      case "head":
        return lost ??
          (objects.has(request.path) ? objectAnswer(objects.get(request.path)?.length ?? 0) : undefined);
      case "get": {
        if (lost) return lost;
        if (!request.query.has("list-type")) {
          return objects.has(request.path)
            ? new Response(objects.get(request.path))
            : errorAnswer(404, "NoSuchKey");
        }
        const prefix = request.query.get("prefix") ?? "";
        const keys = [...objects.keys()].map((path) => path.slice("/assets/".length));
        const found = keys.filter((key) => key.startsWith(prefix)).map((key) =>
          `<Contents><Key>${key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>`
        );
        return new Response(
          `<ListBucketResult><IsTruncated>false</IsTruncated>${found.join("")}</ListBucketResult>`,
        );
      }
    }
  };
  await withStore(answer, async ({ resumable }, operations) => {
    for (let request = 1;; request++) {
      objects.clear();
      failing = Infinity;
      const begun = await resumable.begin("k", { contentType: "text/plain", sizeBytes: 9 * MIB });
      const state = await resumable.append("k", begun, streamOf(patternBytes(9 * MIB)), noted());
      const before = operations().length;
      failing = request;
      const failed = await resumable.finish("k", state).then(() => false, () => true);
      failing = Infinity;
      await resumable.finish("k", state);
      assertEquals([...objects.keys()], ["/assets/p/k"]);
      if (!failed) {
        assertEquals(operations().slice(before, before + 5), ["get", "part", "complete", "get", "delete"]);
        assertEquals(request, 6);
        break;
      }
    }
  });
});

Deno.test("S3Resumable.finish() of a write without bytes stores an empty object and closes the upload", async () => {
  await withStore(
    (operation) => operation === "get" ? LISTING() : undefined,
    async ({ resumable }, operations, requests) => {
      const state = await resumable.begin("k", { contentType: "text/plain", sizeBytes: 20 * MIB });
      await resumable.finish("k", state);
      assertEquals(operations(), ["create", "put", "abort", "get"]);
      assertEquals([requests[1]?.path, requests[1]?.body.length], ["/assets/p/k", 0]);
      assertEquals(requests[1]?.headers.get("content-type"), "text/plain");
    },
  );
});

Deno.test("S3Resumable calls a write gone whose upload the store has thrown away", async () => {
  await withStore(
    (operation) => operation === "part" ? errorAnswer(404, "NoSuchUpload") : undefined,
    async ({ resumable }) => {
      const state = await resumable.begin("k", { contentType: "text/plain", sizeBytes: 20 * MIB });
      const append = () => resumable.append("k", state, streamOf(patternBytes(9 * MIB)), noted());
      assertEquals((await assertRejects(append, ServiceError)).code, "not_found");
    },
  );
});

Deno.test("S3Resumable refuses a state that is none of its own", async () => {
  await withStore(() => undefined, async ({ resumable }) => {
    const begun = await resumable.begin("k", { contentType: "text/plain", sizeBytes: 10 });
    const unusable: Record<string, Json>[] = [{ etags: "x" }, { etags: [1] }, { tail: -1 }, { writeId: 7 }];
    for (const broken of unusable) {
      const finish = () => resumable.finish("k", { ...begun, ...broken });
      assertEquals((await assertRejects(finish, ServiceError)).code, "internal");
    }
  });
});
