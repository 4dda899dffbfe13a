import { assertEquals, assertRejects } from "@std/assert";
import { GuardedClient, readText } from "../../src/registry/guarded_client.ts";
import { startFake, startSilent } from "../server/fake_server.ts";
import { CA, CERT, KEY } from "../server/tls_fixture.ts";

const soon = () => AbortSignal.timeout(5000);

Deno.test("send() connects to the address that was checked, although the name leads elsewhere a moment later", async () => {
  await using checked = startFake((request) => new Response(`checked ${request.headers.get("host")}`));
  let asked = 0;
  const client = new GuardedClient({
    noPrivateTargets: false,
    resolve: () => Promise.resolve([{ address: asked++ === 0 ? "127.0.0.1" : "169.254.169.254" }]),
  });
  const { port } = new URL(checked.url);
  const response = await client.send(new URL(`http://rebinding.example:${port}/x`), { signal: soon() });
  assertEquals(await readText(response, 1000), `checked rebinding.example:${port}`);
  assertEquals(asked, 1);
});

Deno.test("send() tries the next address of a name when one refuses", async () => {
  await using fake = startFake(() => new Response("here"));
  const resolve = () => Promise.resolve([{ address: "::1" }, { address: "127.0.0.1" }]);
  const client = new GuardedClient({ noPrivateTargets: false, resolve });
  const { port } = new URL(fake.url);
  const response = await client.send(new URL(`http://two.example:${port}/`), { signal: soon() });
  assertEquals(await readText(response, 1000), "here");
});

Deno.test("send() checks the certificate against the name, not against the address it is pinned to", async () => {
  const listening = { hostname: "127.0.0.1", port: 0, cert: CERT, key: KEY, onListen() {} };
  await using server = Deno.serve(listening, () => new Response("secret"));
  const resolve = () => Promise.resolve([{ address: "127.0.0.1" }]);
  const client = new GuardedClient({ noPrivateTargets: false, resolve, ca: CA });
  const { port } = server.addr;
  const response = await client.send(new URL(`https://localhost:${port}/`), { signal: soon() });
  assertEquals(await readText(response, 1000), "secret");
  await assertRejects(
    () => client.send(new URL(`https://other.example:${port}/`), { signal: soon() }),
    Error,
  );
  const distrusting = new GuardedClient({ noPrivateTargets: false, resolve });
  await assertRejects(
    () => distrusting.send(new URL(`https://localhost:${port}/`), { signal: soon() }),
    Error,
  );
});

Deno.test("send() follows no redirect", async () => {
  let followed = 0;
  await using fake = startFake((request) => {
    if (new URL(request.url).pathname !== "/") followed++;
    return Response.redirect("http://169.254.169.254/latest", 302);
  });
  const client = new GuardedClient({ noPrivateTargets: false });
  const response = await client.send(new URL(fake.url), { signal: soon() });
  response.close();
  assertEquals([response.status, followed], [302, 0]);
});

Deno.test("send() posts a body with its length and no credentials", async () => {
  const seen: unknown[] = [];
  await using fake = startFake(async (request) => {
    const { headers } = request;
    seen.push(headers.get("content-length"), headers.get("authorization"), headers.get("cookie"));
    return new Response(await request.text());
  });
  const client = new GuardedClient({ noPrivateTargets: false });
  const body = JSON.stringify({ name: "größe" });
  const response = await client.send(new URL(fake.url), { method: "POST", body, signal: soon() });
  assertEquals(await readText(response, 1000), body);
  assertEquals(seen, [String(new TextEncoder().encode(body).length), null, null]);
});

Deno.test("send() ends with the reason of its signal, before the answer and within it", async () => {
  await using silent = startSilent();
  await using endless = startFake(() =>
    new Response(
      new ReadableStream({
        pull(controller) {
          controller.enqueue(new Uint8Array(1000));
        },
      }),
    )
  );
  const client = new GuardedClient({ noPrivateTargets: false });
  const early = new AbortController();
  setTimeout(() => early.abort(new Error("too late")), 50);
  await assertRejects(() => client.send(new URL(silent.url), { signal: early.signal }), Error, "too late");
  const within = new AbortController();
  const response = await client.send(new URL(endless.url), { signal: within.signal });
  setTimeout(() => within.abort(new Error("enough")), 50);
  await assertRejects(() => readText(response, Infinity), Error, "enough");
});

Deno.test("send() takes 30 KiB of headers, and gives an answer up that has more than 32 KiB of them", async () => {
  const answer = async (kib: number) => {
    await using fake = startFake(() => {
      const headers = Array.from({ length: kib }, (_, n): [string, string] => [`X-${n}`, "y".repeat(1010)]);
      return new Response("here", { headers });
    });
    const client = new GuardedClient({ noPrivateTargets: false });
    return await readText(await client.send(new URL(fake.url), { signal: soon() }), 1000);
  };
  assertEquals(await answer(30), "here");
  await assertRejects(() => answer(34), Error, "overflow");
});

Deno.test("readText() reads no more than it may", async () => {
  await using fake = startFake(() => new Response("x".repeat(1001)));
  const client = new GuardedClient({ noPrivateTargets: false });
  const response = await client.send(new URL(fake.url), { signal: soon() });
  await assertRejects(() => readText(response, 1000), RangeError, "more than 1000 bytes");
});

Deno.test("An answer that breaks off is an error, not a short answer", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(1000));
    await connection.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"));
  })();
  const client = new GuardedClient({ noPrivateTargets: false });
  const url = new URL(`http://127.0.0.1:${listener.addr.port}/`);
  const response = await client.send(url, { signal: soon() });
  await assertRejects(() => readText(response, 1000), Error);
  await serving;
  listener.close();
});
