import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { merge } from "../../src/registry/merge.ts";
import type { Position, SourceDocument } from "../../src/registry/source_stream.ts";

/** A stream of these documents, each after a pause of its own. */
function stream(name: string, documents: SourceDocument[]) {
  const rest = documents.values();
  return {
    name,
    async next(): Promise<SourceDocument | undefined> {
      await Promise.resolve();
      return rest.next().value;
    },
  };
}

function document(id: string, more: Partial<SourceDocument> = {}): SourceDocument {
  return { position: { id, keys: [] }, identity: `db\n${id}`, isFromOwner: false, text: id, ...more };
}

const compare = (a: Position, b: Position) => a.id < b.id ? -1 : a.id > b.id ? 1 : 0;

async function take(streams: ReturnType<typeof stream>[], { isByAge = false } = {}): Promise<string[]> {
  const taken: string[] = [];
  for await (const { source, document } of merge(streams, { compare, isByAge })) {
    taken.push(`${document.text}@${source.name}`);
  }
  return taken;
}

Deno.test("merge() gives the documents of all streams in order", async () => {
  const ids = fc.uniqueArray(fc.integer({ min: 100, max: 999 }).map(String), { maxLength: 12 });
  await fc.assert(fc.asyncProperty(fc.array(ids, { maxLength: 6 }), async (lists) => {
    const streams = lists.map((list, n) =>
      stream(`${n}`, list.toSorted().map((id) => document(id, { identity: `${n}\n${id}`, text: id })))
    );
    const expected = lists.flat().toSorted();
    assertEquals((await take(streams)).map((text) => text.split("@")[0]), expected);
  }));
});

Deno.test("merge() gives what several streams have once, from the owner if it is among them, else from the first", async () => {
  const owned = { isFromOwner: true };
  const a = stream("a", [document("1"), document("2"), document("3")]);
  const b = stream("b", [document("1"), document("2", owned), document("4")]);
  const c = stream("c", [document("2"), document("3", owned), document("4")]);
  assertEquals(await take([a, b, c]), ["1@a", "2@b", "3@c", "4@b"]);
});

Deno.test("merge() by age remembers nothing, and gives what several streams have once", async () => {
  const ids = ["1", "2", "3", "5"];
  const streams = ["a", "b", "c"].map((name) => stream(name, ids.map((id) => document(id))));
  streams.push(stream("d", [document("2"), document("4")]));
  assertEquals(await take(streams, { isByAge: true }), ["1@a", "2@a", "3@a", "4@d", "5@a"]);
});

Deno.test("merge() gives an asset once although two nodes see different versions of it", async () => {
  const a = stream("a", [document("1", { identity: "x" }), document("3")]);
  const b = stream("b", [document("2", { identity: "x" }), document("4")]);
  assertEquals(await take([a, b]), ["1@a", "3@a", "4@b"]);
});

Deno.test("merge() keeps what has the same id in two Assets DBs that know nothing of each other", async () => {
  const a = stream("a", [document("1", { identity: "a\n1" })]);
  const b = stream("b", [document("1", { identity: "b\n1" })]);
  assertEquals(await take([a, b]), ["1@a", "1@b"]);
});
