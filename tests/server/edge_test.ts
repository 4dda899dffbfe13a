/** What happens to every request, whatever its route: limits, other origins, what browsers are told. */
import { assert, assertEquals } from "@std/assert";
import { type Answer, assertError, assertStatus, send } from "./client.ts";
import { json, startTestServer, uploadForm } from "./harness.ts";
import { connect, rawRequest, readAnswer, writeAll } from "./raw.ts";

const APP = "https://app.example.com";

/** Fetch would not let a page choose these; this client does. */
function from(origin: string, more: Record<string, string> = {}): { headers: Record<string, string> } {
  return { headers: { Origin: origin, ...more } };
}

function corsOf({ headers }: Answer): string[] {
  return [...headers.keys()].filter((name) => name.startsWith("access-control-")).sort();
}

Deno.test("--rate-limit answers 429 with Retry-After, in the envelope, and never to health checks", async () => {
  await using server = await startTestServer({ rateLimit: "3/h" });
  for (let n = 0; n < 3; n++) assertStatus(await send(server, "/asset/x"), 404);
  const refused = assertError(await send(server, "/assets", json("POST", {})), 429, "too_many_requests");
  const seconds = Number(refused.headers.get("Retry-After"));
  assert(seconds > 1190 && seconds <= 1200, String(seconds));
  assertEquals(refused.headers.get("X-Content-Type-Options"), "nosniff");
  for (const path of ["/health"]) assertStatus(await send(server, path), 200);
});

Deno.test("X-Forwarded-For makes nobody another client, unless a trusted proxy sends it", async () => {
  const statuses = async (trustedProxies?: string) => {
    await using server = await startTestServer({ rateLimit: "1/h", trustedProxies });
    const all = [];
    for (const client of ["203.0.113.1", "203.0.113.2", "203.0.113.1", "203.0.113.9, 203.0.113.1"]) {
      all.push((await send(server, "/asset/x", { headers: { "X-Forwarded-For": client } })).status);
    }
    return all;
  };
  assertEquals(await statuses(), [404, 429, 429, 429]);
  assertEquals(await statuses("10.0.0.0/8"), [404, 429, 429, 429]);
  assertEquals(await statuses("127.0.0.0/8"), [404, 404, 429, 429]);
});

Deno.test("A request that is refused at the door, body unread, leaves its connection usable or closes it", async () => {
  const doors = [{ authWriteToken: "w" }, { rateLimit: "1/h" }];
  for (const settings of doors) {
    await using server = await startTestServer(settings);
    await send(server, "/asset/x");
    using connection = await connect(server);
    const head = "POST /upload_asset HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
    await writeAll(connection, head);
    const written = writeAll(connection, "x".repeat(1_000_000)).catch(() => {});
    const { status } = await readAnswer(connection);
    assert(status === 401 || status === 429, String(status));
    await written;
    // Either is fine, and hanging is not.
    await writeAll(connection, "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").catch(
      () => {},
    );
    const next = await readAnswer(connection).catch(() => undefined);
    assertEquals(next?.status ?? 200, 200);
  }
});

Deno.test("Every answer tells browsers to take it for what it says, and files to run and frame nothing", async () => {
  await using server = await startTestServer();
  const refused = await rawRequest(server, "GET", "/health", { host: "a/b" });
  assertEquals([refused.status, refused.headers.get("x-content-type-options")], [400, "nosniff"]);
  assert(refused.headers.has("x-request-id"), "a refused target has a request id as well");
  const form = uploadForm("<script>alert(1)</script>", { fileType: "text/html", fileName: "x.html" });
  const { body } = assertStatus(await send(server, "/upload_asset", { method: "POST", body: form }), 201);
  const file = await send(server, new URL(String(body.public_url)).pathname);
  for (const { headers } of [file, await send(server, "/asset/x"), await send(server, "/nowhere")]) {
    assertEquals(headers.get("X-Content-Type-Options"), "nosniff");
  }
  assertEquals(file.headers.get("Content-Type"), "text/html");
  assertEquals(file.headers.get("Content-Security-Policy"), "default-src 'none'; frame-ancestors 'none'");
  assert(file.headers.get("Content-Disposition")?.startsWith("attachment"));
});

Deno.test("A request id of the client is taken over if it is sane, and cannot add a header", async () => {
  await using server = await startTestServer();
  const idOf = async (id: string) =>
    (await rawRequest(server, "GET", "/health", { headers: [`X-Request-Id: ${id}`] })).headers;
  assertEquals((await idOf("abc-1_2=")).get("x-request-id"), "abc-1_2=");
  for (const id of ["a b", "a".repeat(129), "a%0d%0aSet-Cookie:x", "a\tb", "é"]) {
    const headers = await idOf(id);
    assert(/^[0-9a-f-]{36}$/.test(headers.get("x-request-id") ?? ""), headers.get("x-request-id"));
    assertEquals(headers.has("set-cookie"), false);
  }
});

Deno.test("Without --cors-origin no origin is told anything, and a preflight is an ordinary OPTIONS", async () => {
  await using server = await startTestServer();
  assertEquals(corsOf(await send(server, "/health", from(APP))), []);
  const preflight = await send(server, "/asset/x", {
    method: "OPTIONS",
    ...from(APP, { "Access-Control-Request-Method": "PUT" }),
  });
  assertEquals([preflight.status, corsOf(preflight)], [204, []]);
});

Deno.test("--cors-origin lets the pages of its origins in, and of no others", async () => {
  await using server = await startTestServer({ corsOrigin: `${APP}, http://localhost:3000` });
  const answer = await send(server, "/asset/x", from(APP));
  assertEquals(answer.status, 404);
  assertEquals(answer.headers.get("Access-Control-Allow-Origin"), APP);
  assertEquals(answer.headers.get("Vary"), "Origin");
  const exposed = (answer.headers.get("Access-Control-Expose-Headers") ?? "").split(", ");
  for (
    const name of [
      "ETag",
      "Content-Range",
      "X-Request-Id",
      "X-Next-Cursor",
      "Repr-Digest",
      "Upload-Offset",
      "Tus-Resumable",
      "Location",
      "Asset-Id",
      "Asset-Uri",
      "Retry-After",
    ]
  ) assert(exposed.includes(name), name);
  for (const origin of ["https://evil.example.com", `${APP}.evil.example.com`, "null", `${APP}:444`]) {
    const other = await send(server, "/asset/x", from(origin));
    assertEquals([corsOf(other), other.headers.get("Vary")], [[], "Origin"], origin);
  }
  assertEquals(corsOf(await send(server, "/asset/x")), []);
});

Deno.test("--cors-origin answers a preflight on every route without a token, and names no credentials", async () => {
  await using server = await startTestServer({ corsOrigin: APP, authWriteToken: "w", authReadToken: "r" });
  for (const path of ["/asset/x", "/upload_asset", "/uploads/", "/uploads/x", "/assets", "/nowhere"]) {
    const headers = {
      "Access-Control-Request-Method": "PATCH",
      "Access-Control-Request-Headers": "authorization",
    };
    const preflight = await send(server, path, { method: "OPTIONS", ...from(APP, headers) });
    assertEquals(preflight.status, 204, path);
    const allowed = (name: string) =>
      (preflight.headers.get(`Access-Control-Allow-${name}`) ?? "").toLowerCase();
    assertEquals(allowed("Origin"), APP);
    for (const method of ["get", "put", "patch", "delete"]) {
      assert(allowed("Methods").split(", ").includes(method));
    }
    for (
      const name of ["authorization", "content-type", "if-match", "idempotency-key", "upload-offset", "range"]
    ) {
      assert(allowed("Headers").split(", ").includes(name), name);
    }
    assertEquals(preflight.headers.has("Access-Control-Allow-Credentials"), false);
    const other = await send(server, path, {
      method: "OPTIONS",
      ...from("https://evil.example.com", headers),
    });
    assertEquals(corsOf(other), [], path);
  }
});

Deno.test("--cors-origin * lets every page in, but none without the token that a write needs", async () => {
  await using server = await startTestServer({ corsOrigin: "*", authWriteToken: "w" });
  const read = await send(server, "/asset/x", from(APP));
  assertEquals(read.headers.get("Access-Control-Allow-Origin"), "*");
  const upload = { method: "POST", body: uploadForm("x"), ...from(APP) };
  const refused = assertError(await send(server, "/upload_asset", upload), 401, "unauthenticated");
  // The page may read why.
  assertEquals(refused.headers.get("Access-Control-Allow-Origin"), "*");
});

Deno.test("A foreign page can't change anything on a server without tokens, whatever browsers let it send", async () => {
  await using server = await startTestServer();
  const { host } = new URL(server.url);
  const tries: [Record<string, string>, "in" | "out"][] = [
    [{}, "in"],
    [{ Origin: `http://${host}` }, "in"],
    [{ Origin: `http://${host}`, "Sec-Fetch-Site": "same-origin" }, "in"],
    [{ "Sec-Fetch-Site": "none" }, "in"],
    [{ Origin: "https://evil.example.com" }, "out"],
    [{ Origin: "null" }, "out"],
    [{ Origin: `http://localhost:1` }, "out"],
    [{ Origin: `http://${host}`, "Sec-Fetch-Site": "cross-site" }, "out"],
    [{ "Sec-Fetch-Site": "same-site" }, "out"],
  ];
  for (const [n, [headers, expected]] of tries.entries()) {
    const body = uploadForm("x", { name: `Name ${n}` });
    const answer = await send(server, "/upload_asset", { method: "POST", body, headers });
    if (expected === "in") assertStatus(answer, 201);
    else assertError(answer, 403, "forbidden");
    const tus = { "Tus-Resumable": "1.0.0", "Upload-Length": "0", ...headers };
    const upload = await send(server, "/uploads/", { method: "POST", headers: tus });
    assertEquals(upload.status, expected === "in" ? 400 : 403, JSON.stringify(headers));
  }
  await using open = await startTestServer({ corsOrigin: APP });
  const body = uploadForm("x");
  const headers = { Origin: APP, "Sec-Fetch-Site": "cross-site" };
  assertStatus(await send(open, "/upload_asset", { method: "POST", body, headers }), 201);
});
