/** The typed client: its errors, and what it does with answers that are not an assets-server's. */
import { assertEquals, assertRejects } from "@std/assert";
import { AssetsClient, ClientError } from "../../src/client/client.ts";
import { refusedUrl, startFake, startSilent } from "../server/fake_server.ts";
import { startTestServer } from "../server/harness.ts";
import { uploaded } from "../server/client.ts";

/** The error that `work` fails with. */
async function failureOf(work: () => Promise<unknown>): Promise<ClientError> {
  return await assertRejects(work, ClientError);
}

Deno.test("A refusal is a ClientError with the server's status, code, sentence and request id", async () => {
  await using server = await startTestServer();
  const error = await failureOf(() => new AssetsClient({ server: server.url }).asset("nix"));
  assertEquals([error.status, error.code, error.isPassing], [404, "not_found", false]);
  assertEquals(error.message, 'There is no asset "nix".');
  assertEquals(typeof error.requestId, "string");
});

Deno.test("A refusal of fields has the fields in its details", async () => {
  await using server = await startTestServer();
  const error = await failureOf(() =>
    new AssetsClient({ server: server.url }).createAsset({ asset_name: "" })
  );
  assertEquals([error.status, error.code], [400, "invalid_request"]);
  assertEquals(Array.isArray(error.details), true);
});

Deno.test("A server that is away is unreachable, with status 0", async () => {
  const server = refusedUrl();
  const error = await failureOf(() => new AssetsClient({ server }).asset("a"));
  assertEquals([error.status, error.code, error.isPassing], [0, "unreachable", true]);
  assertEquals(error.message, `${server} does not answer: connection refused.`);
});

Deno.test("A server that never answers is given up after the timeout", async () => {
  await using server = startSilent();
  const error = await failureOf(() => new AssetsClient({ server: server.url, timeoutMs: 100 }).asset("a"));
  assertEquals([error.status, error.code], [0, "no_answer"]);
});

Deno.test("An answer that is not an assets-server's is a bad answer", async () => {
  for (const body of ["<html>", "[1]", ""]) {
    await using server = startFake(() => new Response(body));
    const error = await failureOf(() => new AssetsClient({ server: server.url }).asset("a"));
    assertEquals([error.status, error.code], [200, "bad_answer"], body);
  }
  await using proxy = startFake(() => new Response("<html>Bad gateway</html>", { status: 502 }));
  const error = await failureOf(() => new AssetsClient({ server: proxy.url }).asset("a"));
  assertEquals([error.status, error.code, error.isPassing], [502, "bad_answer", true]);
});

Deno.test("A redirect is not followed with a token, but named", async () => {
  await using server = startFake(() => Response.redirect("https://example.com/asset/a", 301));
  const error = await failureOf(() => new AssetsClient({ server: server.url, token: "secret" }).asset("a"));
  assertEquals([error.status, error.code], [301, "redirected"]);
  assertEquals(error.message.includes("https://example.com/asset/a"), true);
});

Deno.test("A path in the server's URL stays in front of every route", async () => {
  const paths: string[] = [];
  await using server = startFake((request) => {
    paths.push(new URL(request.url).pathname);
    return Response.json({ success: true, data: {} });
  });
  const client = new AssetsClient({ server: `${server.url}/behind/a/proxy/` });
  await client.asset("a/b:1-x");
  await client.assets({}, { limit: 1 });
  assertEquals(paths, ["/behind/a/proxy/asset/a%2Fb%3A1-x", "/behind/a/proxy/assets"]);
});

Deno.test("The caller's signal ends a request with its own reason", async () => {
  await using server = startSilent();
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  const error = await assertRejects(() => new AssetsClient({ server: server.url, signal }).asset("a"));
  assertEquals(error, reason);
});

Deno.test("A connection that breaks within a stream of assets or a file is a ClientError", async () => {
  await using server = startFake(() => {
    let pulls = 0;
    const body = new ReadableStream({
      pull(controller) {
        if (pulls++ === 0) controller.enqueue(new TextEncoder().encode(`{"asset_name":"a"}\n`));
        else controller.error(new Error("broken off"));
      },
    }, { highWaterMark: 0 });
    return new Response(body);
  });
  const client = new AssetsClient({ server: server.url });
  const names: unknown[] = [];
  const error = await failureOf(async () => {
    for await (const { asset_name } of client.assetStream({})) names.push(asset_name);
  });
  assertEquals([names, error.code, error.isPassing], [["a"], "unreachable", true]);
  const { body } = await client.object("id");
  assertEquals((await failureOf(async () => await new Response(body).text())).code, "unreachable");
});

Deno.test("object() gives the rest of a file, and the whole of it when it is another by now", async () => {
  await using server = await startTestServer();
  const { id, asset } = await uploaded(server, "0123456789");
  const client = new AssetsClient({ server: server.url });
  const etag = `"${Object(asset.asset_file_info).sha256}"`;
  const rest = await client.object(id, { start: 4, ifRange: etag });
  assertEquals([await new Response(rest.body).text(), rest.start, rest.sizeBytes], ["456789", 4, 10]);
  const whole = await client.object(id, { start: 4, ifRange: '"other"' });
  assertEquals([await new Response(whole.body).text(), whole.start, whole.etag], ["0123456789", 0, etag]);
  const error = await failureOf(() => client.object(id, { start: 10 }));
  assertEquals([error.status, error.code], [416, "range_not_satisfiable"]);
});
