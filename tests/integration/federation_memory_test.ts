/** Federated search of many documents: the registry, a process of its own, holds a little of each source however much there is. */
import { assert, assertEquals } from "@std/assert";
import { present } from "../present.ts";
import { assertStatus } from "../server/client.ts";
import { federate, NDJSON, register, search, sourceOf, startFakeDb } from "../server/federation_fixture.ts";
import { json } from "../server/harness.ts";
import { type ProcessServer, startProcessServer } from "./process_server.ts";

const SOURCES = 5;
const DOCUMENTS_PER_SOURCE = 20_000;
const FILLER = "x".repeat(1800);

/**
 * What searches may take on top of what the registry takes when it has answered a few. Most of it is what V8 leaves for a later
 * collection: with three times as many documents it was no more.
 */
const MOST_GROWTH_BYTES = 256 * 2 ** 20;

/** Documents of about 2 kB of a source, oldest first, in pieces as they are asked for. */
function documentsOf(source: number, count: number): Response {
  const encoder = new TextEncoder();
  let next = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const lines: string[] = [];
      for (; lines.length < 50 && next < count; next++) {
        const id = `00000000-0000-7000-8000-${String(next * SOURCES + source).padStart(12, "0")}`;
        const asset = { id, asset_name: `asset ${next}`, assets_db_id: `db-${source}`, asset_tags: [FILLER] };
        lines.push(`${JSON.stringify(asset)}\n`);
      }
      if (lines.length > 0) controller.enqueue(encoder.encode(lines.join("")));
      if (next === count) controller.close();
    },
  }, { highWaterMark: 0 });
  return new Response(body, NDJSON);
}

Deno.test("A federated search of 100,000 documents, 190 MB, takes no memory for them, read fast or slowly, streamed or counted", async () => {
  await using stack = new AsyncDisposableStack();
  let count = 1000;
  const sources = Array.from(
    { length: SOURCES },
    (_, n) => stack.use(startFakeDb(() => documentsOf(n, count))),
  );
  const registry = stack.use(await startProcessServer({ mode: "registry", healthInterval: "1h" }));
  await federate(registry, sources);
  for (let n = 0; n < 4; n++) assertEquals(await readAll(registry), SOURCES * count);
  const before = await registry.peakMemoryBytes();

  count = DOCUMENTS_PER_SOURCE;
  assertEquals(await readAll(registry), SOURCES * count);
  // A client that reads slowly holds up the sources, and nothing piles up in between.
  assertEquals(await readAll(registry, { pauseEvery: 50 }), SOURCES * count);
  assertEquals(assertStatus(await search(registry, {}, "?count=only"), 200).body.count, SOURCES * count);
  const growth = await registry.peakMemoryBytes() - before;
  say(
    `${SOURCES * count} documents: ${(before / 2 ** 20).toFixed(0)} MiB before, ${
      (growth / 2 ** 20).toFixed(0)
    } MiB more`,
  );
  assert(growth < MOST_GROWTH_BYTES, `${growth} bytes`);
});

Deno.test("Sources that send what nobody can want take no memory: endless lines, long ids, 20 at once", async () => {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(
    await startProcessServer({ mode: "registry", healthInterval: "1h" }),
  );
  let isHostile = false;
  const endless = (piece: string) => () => isHostile ? repeated(piece) : new Response("", NDJSON);
  const hostile = Array.from(
    { length: 20 },
    (_, n) => stack.use(startFakeDb(endless(n % 2 ? "x" : `{"id":"`))),
  );
  const good = stack.use(startFakeDb(() => documentsOf(0, 100)));
  await federate(registry, hostile);
  await register(registry, "good", good.url);
  for (let n = 0; n < 5; n++) assertStatus(await search(registry, {}), 200);
  const before = await registry.peakMemoryBytes();
  isHostile = true;
  for (let n = 0; n < 3; n++) {
    const answer = assertStatus(await search(registry, {}), 200);
    assertEquals([sourceOf(answer, "good").status, sourceOf(answer, "good").count], ["ok", 100]);
    for (let db = 0; db < hostile.length; db++) {
      assert(
        /too long/.test(String(sourceOf(answer, `db-${db}`).error)),
        JSON.stringify(sourceOf(answer, `db-${db}`)),
      );
    }
  }
  const growth = await registry.peakMemoryBytes() - before;
  say(
    `20 hostile sources: ${(before / 2 ** 20).toFixed(0)} MiB before, ${
      (growth / 2 ** 20).toFixed(0)
    } MiB more`,
  );
  assert(growth < MOST_GROWTH_BYTES, `${growth} bytes`);
});

/** Reads a whole answer in NDJSON; returns how many documents it had. */
async function readAll(registry: ProcessServer, { pauseEvery = Infinity } = {}): Promise<number> {
  const request = json("POST", {}, { Accept: "application/x-ndjson" });
  const response = await fetch(`${registry.url}/assets`, request);
  let lines = 0;
  let chunks = 0;
  for await (const chunk of present(response.body)) {
    for (const byte of chunk) if (byte === 10) lines++;
    if (++chunks % pauseEvery === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  // The last line has the sources.
  return lines - 1;
}

/** A text again and again, without an end. */
function repeated(piece: string): Response {
  const bytes = new TextEncoder().encode(piece.repeat(16_384));
  const body = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(bytes) });
  return new Response(body, NDJSON);
}

function say(text: string): void {
  // deno-lint-ignore no-console
  console.log(text);
}
