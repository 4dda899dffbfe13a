import { assertEquals } from "@std/assert";
import { createApp, route } from "../../src/http/app.ts";
import type { AppHandler } from "../../src/http/app.ts";
import { AccessTokens } from "../../src/http/auth.ts";
import { createFront } from "../../src/http/front.ts";
import { sendText } from "../../src/http/send.ts";

/** What became of one request for `/x` to a server with this one route. */
function ask(handle: AppHandler, origins: string[] = []) {
  const app = createApp();
  route(app, new AccessTokens([]), "/x", { GET: { access: "open", handle } });
  const ends: boolean[] = [];
  const observer = {
    begin() {},
    end: (_: unknown, { isComplete }: { isComplete: boolean }) => void ends.push(isComplete),
  };
  const front = createFront(
    app,
    { origins, idleTimeoutMs: 1000, publicHost: () => "localhost" },
    observer,
  );
  const { promise: completed, resolve: complete, reject: breakOff } = Promise.withResolvers<void>();
  const remoteAddr = { transport: "tcp" as const, hostname: "127.0.0.1", port: 1 };
  let left = 0;
  const answer = front(new Request("http://localhost/x"), { remoteAddr, completed }, () => left++);
  return { answer, ends, complete, breakOff, left: () => left };
}

const text: AppHandler = (context) => sendText(context, "x", 200, { "Content-Type": "text/plain" });

const streamed: AppHandler = (context) => context.body(new Blob(["x"]).stream());

Deno.test("createFront() gives an answer that is there at once without a promise, and is done with it", () => {
  const { answer, ends, left } = ask(text);
  assertEquals([answer instanceof Response, ends, left()], [true, [true], 1]);
});

Deno.test("createFront() is done with a streamed answer when it has been sent, not before", async () => {
  const { answer, ends, complete, left } = ask(streamed);
  await answer;
  assertEquals([ends, left()], [[], 0]);
  complete();
  await Promise.resolve();
  assertEquals([ends, left()], [[true], 1]);
});

Deno.test("createFront() tells of a streamed answer that broke off", async () => {
  const { answer, ends, breakOff, left } = ask(streamed);
  await answer;
  breakOff(new Error("gone"));
  await Promise.resolve();
  assertEquals([ends, left()], [[false], 1]);
});

Deno.test("createFront() answers 500 in the envelope, and is done, when a route throws what is no Error", async () => {
  for (
    const handle of [() => {
      throw "x";
    }, () => Promise.reject("x")]
  ) {
    const { answer, ends, left } = ask(handle);
    const { status } = await answer;
    assertEquals([status, ends, left()], [500, [true], 1]);
  }
});

Deno.test("createFront() adds to what an answer varies by, where pages of some origins may ask", async () => {
  const headers = { "Content-Type": "text/plain", Vary: "Accept" };
  const { answer } = ask((context) => sendText(context, "x", 200, headers), ["https://a.example"]);
  assertEquals((await answer).headers.get("Vary"), "Accept, Origin");
});
