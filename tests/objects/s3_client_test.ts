/** What the client does about failures, against a server that fails on request. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { attemptTimeoutMs, S3Client, type S3Request } from "../../src/objects/s3_client.ts";
import { S3Error } from "../../src/objects/s3_errors.ts";
import { EMPTY_SHA256 } from "../../src/objects/s3_signer.ts";
import { errorAnswer, NotingClock, scriptedConfig, withScriptedS3, xmlAnswer } from "./scripted_s3.ts";

const BODY = new TextEncoder().encode("the same bytes each time");
const BODY_SHA256 = createHash("sha256").update(BODY).digest("hex");

/** A server of raw connections: `script` gets each one with its number after a request has begun to arrive. */
function startRaw(script: (connection: Deno.Conn, number: number) => Promise<void>) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const done = (async () => {
    let number = 0;
    for await (const connection of listener) {
      await connection.read(new Uint8Array(65_536));
      await script(connection, ++number).catch(() => {});
      try {
        connection.close();
      } catch {
        // The script has closed it.
      }
    }
  })();
  return {
    endpoint: `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    async stop() {
      listener.close();
      await done;
    },
  };
}

function write(connection: Deno.Conn, text: string): Promise<number> {
  return connection.write(new TextEncoder().encode(text));
}

Deno.test("S3Client repeats a request that was told SlowDown, with the same body", async () => {
  let calls = 0;
  await withScriptedS3(
    () => ++calls <= 2 ? errorAnswer(503, "SlowDown") : new Response(null, { headers: { etag: '"x"' } }),
    async ({ client, server, clock }) => {
      const headers = await client.sendForHeaders({
        method: "PUT",
        key: "k",
        body: [BODY],
        bodySha256: BODY_SHA256,
      });
      assertEquals(headers.get("etag"), '"x"');
      assertEquals(server.requests.map((request) => request.body), [BODY, BODY, BODY]);
      assertEquals(
        server.requests.map((r) => r.headers.get("x-amz-content-sha256")),
        Array(3).fill(BODY_SHA256),
      );
      assertEquals(clock.sleepsMs, [100, 200]);
    },
  );
});

Deno.test("S3Client waits as long as Retry-After says", async () => {
  let calls = 0;
  await withScriptedS3(
    () =>
      ++calls === 1
        ? errorAnswer(429, "TooManyRequests", { headers: { "retry-after": "3" } })
        : new Response(),
    async ({ client, clock }) => {
      await client.sendForHeaders({ method: "GET", key: "k" });
      assertEquals(clock.sleepsMs, [3_000]);
    },
  );
});

Deno.test("S3Client does not ask again when the server wants to be left alone for an hour", async () => {
  await withScriptedS3(
    () => errorAnswer(503, "SlowDown", { headers: { "retry-after": "3600" } }),
    async ({ client, server }) => {
      await assertRejects(() => client.sendForHeaders({ method: "GET", key: "k" }), S3Error);
      assertEquals(server.requests.length, 1);
    },
  );
});

for (
  const [status, code] of [[500, "InternalError"], [502, ""], [503, ""], [504, ""], [429, ""], [
    400,
    "RequestTimeout",
  ]] as const
) {
  Deno.test(`S3Client gives up after four tries at ${status} ${code}`, async () => {
    await withScriptedS3(
      () => code === "" ? new Response("<html>", { status }) : errorAnswer(status, code),
      async ({ client, server }) => {
        await assertRejects(() => client.sendForHeaders({ method: "DELETE", key: "k" }), S3Error);
        assertEquals(server.requests.length, 4);
      },
    );
  });
}

for (
  const [status, code] of [[403, "AccessDenied"], [404, "NoSuchKey"], [400, "InvalidArgument"], [
    507,
    "XMinioStorageFull",
  ], [
    501,
    "NotImplemented",
  ]] as const
) {
  Deno.test(`S3Client does not repeat a request answered ${status} ${code}`, async () => {
    await withScriptedS3(() => errorAnswer(status, code), async ({ client, server }) => {
      const error = await assertRejects(() => client.sendForHeaders({ method: "GET", key: "k" }), S3Error);
      assertEquals([error.status, error.code, server.requests.length], [status, code, 1]);
    });
  });
}

Deno.test("S3Client repeats what must not happen twice only if it surely did not happen", async () => {
  const policy = { method: "POST", key: "k", retry: "without_effect" } as const;
  for (
    const [status, code, tries] of [[503, "SlowDown", 4], [500, "InternalError", 1], [504, "", 1]] as const
  ) {
    await withScriptedS3(() => errorAnswer(status, code), async ({ client, server }) => {
      await assertRejects(() => client.sendForXml(policy), S3Error);
      assertEquals(server.requests.length, tries, code);
    });
  }
});

Deno.test("S3Client takes an error in an answer of status 200 for an error, and repeats what is transient", async () => {
  let calls = 0;
  await withScriptedS3(
    () => ++calls === 1 ? errorAnswer(200, "InternalError") : errorAnswer(200, "InvalidPart"),
    async ({ client, server }) => {
      const error = await assertRejects(() => client.sendForXml({ method: "POST", key: "k" }), S3Error);
      assertEquals([error.code, server.requests.length], ["InvalidPart", 2]);
    },
  );
});

Deno.test("S3Client repeats a listing whose answer broke off", async () => {
  const server = startRaw(async (connection, number) => {
    const body = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    const head = `HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n`;
    await write(connection, head + (number === 1 ? body.slice(0, 30) : body));
  });
  try {
    const client = new S3Client(scriptedConfig(server.endpoint), { clock: new NotingClock() });
    const root = await client.sendForXml({ method: "GET" });
    assertEquals(root.text("IsTruncated"), "false");
  } finally {
    await server.stop();
  }
});

Deno.test("S3Client tells a connection that broke from one that never was", async () => {
  const server = startRaw(() => Promise.resolve());
  const clock = new NotingClock();
  const client = new S3Client(scriptedConfig(server.endpoint), { clock });
  const post = { method: "POST", key: "k", retry: "without_effect" } as const;
  const broken = await assertRejects(() => client.sendForXml(post), S3Error);
  assertEquals([broken.kind, clock.sleepsMs.length], ["interrupted", 0]);
  await server.stop();
  const refused = await assertRejects(() => client.sendForXml(post), S3Error);
  assertEquals([refused.kind, clock.sleepsMs.length], ["unreached", 3]);
});

Deno.test("S3Client calls a name that does not resolve unreached", async () => {
  const client = new S3Client(scriptedConfig("http://no-such-host.invalid"), { clock: new NotingClock() });
  const error = await assertRejects(() => client.sendForHeaders({ method: "GET" }), S3Error);
  assertEquals(error.kind, "unreached");
});

Deno.test("S3Client gives an attempt up at its deadline and tries again", async () => {
  let calls = 0;
  const never = Promise.withResolvers<Response>();
  await withScriptedS3(() => ++calls === 1 ? never.promise : new Response("ok"), async ({ client }) => {
    await client.sendForHeaders({ method: "GET", key: "k", timeoutMs: 500 });
    assert(calls >= 2);
    calls = 0;
    const request = { method: "GET", key: "k", timeoutMs: 50, retry: "never" } as const;
    assertEquals((await assertRejects(() => client.sendForHeaders(request), S3Error)).kind, "timed_out");
    never.resolve(new Response());
  });
});

Deno.test("attemptTimeoutMs() is 10 s for an object, 30 s for a listing or a write and what its bytes take at 64 KiB/s", () => {
  const body = [new Uint8Array(64 * 1024), new Uint8Array(2 * 64 * 1024)];
  const rows: [request: S3Request, seconds: number][] = [
    [{ method: "GET", key: "k" }, 10],
    [{ method: "HEAD", key: "k" }, 10],
    [{ method: "DELETE", key: "k" }, 10],
    [{ method: "GET" }, 30],
    [{ method: "POST", key: "k" }, 30],
    [{ method: "PUT", key: "k", body }, 33],
    [{ method: "PUT", key: "k", body, timeoutMs: 1000 }, 1],
  ];
  assertEquals(rows.map(([request]) => attemptTimeoutMs(request) / 1000), rows.map(([, seconds]) => seconds));
});

Deno.test("S3Client asks a service that never answers twice, and no more", async () => {
  let calls = 0;
  const never = Promise.withResolvers<Response>();
  await withScriptedS3(() => {
    calls++;
    return never.promise;
  }, async ({ client }) => {
    const request = { method: "GET", key: "k", timeoutMs: 50 } as const;
    assertEquals((await assertRejects(() => client.sendForHeaders(request), S3Error)).kind, "timed_out");
    assertEquals(calls, 2);
    never.resolve(new Response());
  });
});

Deno.test("S3Client throws the signal's reason, also while it waits to try again", async () => {
  const abort = new AbortController();
  await withScriptedS3(() => {
    abort.abort(new Error("stop it"));
    return errorAnswer(503, "SlowDown");
  }, async ({ client }) => {
    await assertRejects(
      () => client.sendForHeaders({ method: "GET", signal: abort.signal }),
      Error,
      "stop it",
    );
  });
});

Deno.test("S3Client reads no more of an error than it needs", async () => {
  let sentBytes = 0;
  const cancelled = Promise.withResolvers<void>();
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        sentBytes += 16_384;
        controller.enqueue(new Uint8Array(16_384));
      },
      cancel: () => cancelled.resolve(),
    });
  await withScriptedS3(() => new Response(endless(), { status: 403 }), async ({ client }) => {
    const error = await assertRejects(() => client.sendForHeaders({ method: "GET", key: "k" }), S3Error);
    assertEquals(error.code, "AccessDenied");
    await cancelled.promise;
    assert(sentBytes > 0);
  });
});

Deno.test("S3Client follows no redirect and tells the region", async () => {
  await withScriptedS3(
    () =>
      errorAnswer(301, "PermanentRedirect", {
        headers: { location: "/elsewhere", "x-amz-bucket-region": "eu-9" },
      }),
    async ({ client, server }) => {
      const error = await assertRejects(() => client.sendForHeaders({ method: "GET", key: "k" }), S3Error);
      assertEquals([error.code, error.elsewhere, server.requests.length], ["PermanentRedirect", "eu-9", 1]);
    },
  );
});

Deno.test("S3Client sends keys, queries, the real host and identity encoding as they were signed", async () => {
  await withScriptedS3(() => xmlAnswer("<R/>"), async ({ client, server }) => {
    await client.sendForXml({ method: "GET", key: "a//b c+%é", query: { prefix: "x/ y", uploads: "" } });
    const seen = server.requests[0];
    assertEquals(seen?.path, "/assets/a//b%20c%2B%25%C3%A9");
    assertEquals([...seen?.query ?? []], [["prefix", "x/ y"], ["uploads", ""]]);
    assertEquals(seen?.headers.get("host"), new URL(server.endpoint).host);
    assertEquals(seen?.headers.get("accept-encoding"), "identity");
    assertEquals(seen?.headers.get("x-amz-content-sha256"), EMPTY_SHA256);
    assert(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-test-1\/s3\/aws4_request, SignedHeaders=host;x-amz/
        .test(seen?.headers.get("authorization") ?? ""),
    );
  });
});

Deno.test("S3Client without an access key sends no signature", async () => {
  await withScriptedS3(() => new Response(), async ({ config, server }) => {
    const anonymous = new S3Client({ ...config, accessKeyId: undefined, secretAccessKey: undefined });
    await anonymous.sendForHeaders({ method: "GET", key: "k" });
    assertEquals(server.requests[0]?.headers.get("authorization"), null);
  });
});

Deno.test("S3Client reports each attempt", async () => {
  let calls = 0;
  const codes: (string | undefined)[] = [];
  await withScriptedS3(
    () => ++calls === 1 ? errorAnswer(503, "SlowDown") : new Response(),
    async ({ client }) => {
      await client.sendForHeaders({ method: "GET", key: "k" });
      assertEquals(codes, ["SlowDown", undefined]);
    },
    { onAttempt: ({ errorCode }) => codes.push(errorCode) },
  );
});

Deno.test("S3Client.presignGet() names the public endpoint and what the answer is to say", async () => {
  const client = new S3Client(scriptedConfig("http://10.0.0.1:9000"));
  const url = await client.presignGet("asset/1", {
    expiresSeconds: 900,
    endpoint: "https://files.example.com",
    responseContentType: "text/plain; charset=utf-8",
    responseContentDisposition: `attachment; filename="a b.txt"`,
  });
  assertEquals(`${url.origin}${url.pathname}`, "https://files.example.com/assets/asset/1");
  assertEquals(url.searchParams.get("response-content-type"), "text/plain; charset=utf-8");
  assertEquals(url.searchParams.get("response-content-disposition"), `attachment; filename="a b.txt"`);
  assertEquals(url.searchParams.get("X-Amz-Expires"), "900");
  assertEquals(url.searchParams.get("X-Amz-SignedHeaders"), "host");
  assertEquals(url.href.includes("very-secret"), false);
});
