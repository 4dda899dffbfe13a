import { assert, assertEquals } from "@std/assert";
import { createApp, route } from "../../src/http/app.ts";
import { AccessTokens } from "../../src/http/auth.ts";
import { Exchange } from "../../src/http/exchange.ts";
import { sendDocuments } from "../../src/http/query_answer.ts";

const MIB = 2 ** 20;

Deno.test("sendDocuments() ends a page of NDJSON early, with a cursor, when it holds more than 16 MiB", async () => {
  let given = 0;
  let hasEnded = false;
  async function* documents() {
    try {
      for (; given < 40; given++) yield await Promise.resolve(`"${"x".repeat(MIB - 2)}"`);
    } finally {
      hasEnded = true;
    }
  }
  const app = createApp();
  route(app, new AccessTokens([]), "/assets", {
    POST: {
      access: "open",
      handle: (context) =>
        sendDocuments(context, { documents: documents(), nextCursor: () => `after-${given}` }, { limit: 40 }),
    },
  });
  const request = new Request("http://localhost/assets", {
    method: "POST",
    headers: { Accept: "application/x-ndjson" },
  });
  const edge = { origins: [], idleTimeoutMs: 1000, publicHost: () => "localhost" };
  const answer = await app.fetch(request, new Exchange(edge, request, "127.0.0.1"));
  const lines = (await answer.text()).split("\n").filter((line) => line !== "");
  assertEquals([answer.status, lines.length], [200, 17]);
  // The document that made it too large is in it, so the next page begins behind that.
  assertEquals(answer.headers.get("X-Next-Cursor"), "after-16");
  assert(hasEnded, "the query behind it goes on");
});
