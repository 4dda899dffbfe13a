/** What may come down a wire instead of an answer: none of it keeps the registry waiting longer than it wants to. */
import { assertEquals } from "@std/assert";
import { GuardedClient, readText } from "../../src/registry/guarded_client.ts";

/** How long the client waits. */
const PATIENCE_MS = 150;

/** With what the machine takes for itself. */
const MOST_MS = 3000;

const OK = "HTTP/1.1 200 OK\r\n";

/** Texts that are sent to whoever has asked, the last one again and again. */
const WIRES: Record<string, string[]> = {
  "a change of protocol": [
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    "",
  ],
  "nothing": [""],
  "headers without an end": [OK, `X: ${"y".repeat(1000)}\r\n`],
  "interim answers without an end": ["HTTP/1.1 100 Continue\r\n\r\n"],
  "hints without an end": ["HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"],
  "something that is not HTTP": ["garbage "],
  "a status that is none": ["HTTP/1.1 0 X\r\n\r\n", ""],
  "a chunk without a size": [`${OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, ""],
  "a chunk larger than there are numbers": [
    `${OK}Transfer-Encoding: chunked\r\n\r\n${"f".repeat(20)}\r\n`,
    "",
  ],
  "an extension of a chunk without an end": [`${OK}Transfer-Encoding: chunked\r\n\r\n1;`, "x"],
  "trailers without an end": [`${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n`, "X: y\r\n"],
};

/** A server that sends these texts, whatever it is asked. */
function startWire(texts: string[]) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const encoder = new TextEncoder();
  const answer = async (connection: Deno.TcpConn) => {
    const buffer = new Uint8Array(4096);
    let isGone = false;
    try {
      await connection.read(buffer);
      const going = (async () => {
        while (await connection.read(buffer) !== null);
      })().catch(() => {}).finally(() => isGone = true);
      for (let n = 0; !isGone; n++) {
        const text = texts[Math.min(n, texts.length - 1)] ?? "";
        for (let left = encoder.encode(text); left.length > 0;) {
          left = left.subarray(await connection.write(left));
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await going;
    } catch {
      // The client has gone.
    } finally {
      connection.close();
    }
  };
  const answers: Promise<void>[] = [];
  const serving = (async () => {
    for await (const connection of listener) answers.push(answer(connection));
  })();
  return {
    url: new URL(`http://127.0.0.1:${listener.addr.port}/`),
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
      await Promise.all(answers);
    },
  };
}

for (const [name, texts] of Object.entries(WIRES)) {
  Deno.test(`send() or its answer fails in time: ${name}`, async () => {
    await using wire = startWire(texts);
    const client = new GuardedClient({ noPrivateTargets: false });
    const asking = client.send(wire.url, { signal: AbortSignal.timeout(PATIENCE_MS) })
      .then((response) => readText(response, 1000))
      .then(() => "answered", () => "failed");
    let timer: ReturnType<typeof setTimeout> | undefined;
    const hanging = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve("hangs"), MOST_MS);
    });
    assertEquals(await Promise.race([asking, hanging]), "failed");
    clearTimeout(timer);
  });
}

Deno.test("An answer goes as far as its length says", async () => {
  await using wire = startWire([`${OK}Content-Length: 2\r\n\r\nok and more`, ""]);
  const client = new GuardedClient({ noPrivateTargets: false });
  const response = await client.send(wire.url, { signal: AbortSignal.timeout(MOST_MS) });
  assertEquals(await readText(response, 1000), "ok");
});
