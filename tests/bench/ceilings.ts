/**
 * What the machine and the runtime allow: servers that do one thing and nothing else, each a process of its own.
 *
 *     deno run -A ceilings.ts <name> [argument]
 */
import { createHash } from "node:crypto";
import { Hono } from "hono";

type Handler = (request: Request) => Response | Promise<Response>;

/** As large as the blocks in which our server reads files. */
const BLOCK_BYTES = 256 * 1024;

const CEILINGS: Record<string, (argument: string) => Handler> = {
  /** Answers every request with JSON of as many bytes as the argument says. */
  json: (sizeBytes) => {
    const text = jsonOf(Number(sizeBytes));
    return () => new Response(text, { headers: { "Content-Type": "application/json" } });
  },
  /** The same, behind Hono's router. */
  hono: (sizeBytes) => {
    const text = jsonOf(Number(sizeBytes));
    const app = new Hono();
    app.get("/asset/:uri{.+}", (context) => context.body(text, 200, { "Content-Type": "application/json" }));
    return (request) => app.fetch(request);
  },
  /** Reads a body to its end and throws it away. */
  discard: () => async ({ body }) => {
    let sizeBytes = 0;
    for await (const chunk of body ?? []) sizeBytes += chunk.length;
    return Response.json({ sizeBytes }, { status: 201 });
  },
  /** The same, with its SHA-256. */
  hash: () => async ({ body }) => {
    const digest = createHash("sha256");
    for await (const chunk of body ?? []) digest.update(chunk);
    return Response.json({ sha256: digest.digest("hex") }, { status: 201 });
  },
  /** Sends as many bytes as the argument says, from memory. */
  memory: (sizeBytes) => () => {
    const headers = { "Content-Length": sizeBytes };
    return new Response(blocks(Number(sizeBytes)), { headers });
  },
  /** Sends the file that the argument names. */
  file: (path) => async () => {
    const file = await Deno.open(path);
    const { size } = await file.stat();
    return new Response(file.readable, { headers: { "Content-Length": String(size) } });
  },
};

/** JSON text of exactly this length, but at least that of an empty object around an empty string. */
function jsonOf(sizeBytes: number): string {
  const empty = JSON.stringify({ text: "" });
  return JSON.stringify({ text: "x".repeat(Math.max(0, sizeBytes - empty.length)) });
}

function blocks(sizeBytes: number): ReadableStream<Uint8Array> {
  const block = new Uint8Array(BLOCK_BYTES);
  let leftBytes = sizeBytes;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (leftBytes > 0) controller.enqueue(block.subarray(0, leftBytes));
      leftBytes -= block.length;
      if (leftBytes <= 0) controller.close();
    },
  }, { highWaterMark: 0 });
}

if (import.meta.main) {
  const [name = "", argument = ""] = Deno.args;
  const ceiling = CEILINGS[name];
  if (!ceiling) {
    throw new Error(`There is no ceiling "${name}"; there are ${Object.keys(CEILINGS).join(", ")}.`);
  }
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ceiling(argument));
  await Deno.stdout.write(
    new TextEncoder().encode(`listening on http://127.0.0.1:${server.addr.port}\n`),
  );
}
