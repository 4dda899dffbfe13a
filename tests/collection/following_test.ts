/** Nodes that share a KV: each follows what the others change. */
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { Collection } from "../../src/collection/collection.ts";
import { compileFilter } from "../../src/collection/filter.ts";
import { kvAway } from "../../src/kv/unavailable.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** A KV for several nodes, and a folder for their views. */
class SharedKv implements AsyncDisposable {
  readonly #kv: Deno.Kv;
  readonly #folder: string;
  readonly #nodes = new Set<Collection>();
  isAway = false;

  private constructor(kv: Deno.Kv, folder: string) {
    this.#kv = kv;
    this.#folder = folder;
  }

  static async open(): Promise<SharedKv> {
    return new SharedKv(await Deno.openKv(":memory:"), await Deno.makeTempDir({ prefix: "following-test-" }));
  }

  viewPath(node: string, name = "things"): string {
    return `${this.#folder}/${node}.${name}.view.sqlite`;
  }

  async start(node: string, name = "things"): Promise<Collection> {
    const things = new Collection({
      kv: this.#asSeen(),
      name,
      uniqueOf: ({ name }) => typeof name === "string" ? [{ field: "name", value: name }] : [],
      maxDocumentBytes: 256 * 1024,
      viewPath: this.viewPath(node, name),
      isShared: true,
    });
    this.#nodes.add(things);
    await things.view.ready(5000);
    return things;
  }

  async stop(things: Collection): Promise<void> {
    this.#nodes.delete(things);
    await things.close();
  }

  /** Writes behind the back of the log. */
  async setUnlogged(id: string, document: unknown): Promise<void> {
    await this.#kv.set(["doc", "things", id], new TextEncoder().encode(JSON.stringify(document)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes) await node.close();
    this.#kv.close();
    await Deno.remove(this.#folder, { recursive: true });
  }

  #asSeen(): Deno.Kv {
    return new Proxy(this.#kv, {
      get: (kv, key) => {
        if (this.isAway) throw kvAway();
        const member: unknown = Reflect.get(kv, key, kv);
        return typeof member === "function" ? member.bind(kv) : member;
      },
    });
  }
}

function count(things: Collection, filter: Record<string, string>): Promise<number> {
  return things.query({ filter: compileFilter(filter), timeoutMs: 5000 }).count();
}

async function untilCounted(
  things: Collection,
  filter: Record<string, string>,
  wanted: number,
): Promise<void> {
  for (let tries = 0; await count(things, filter) !== wanted; tries++) {
    assert(tries < 500, `${await count(things, filter)} instead of ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("A node sees its own change before it answers, and the others' soon after", async () => {
  await using shared = await SharedKv.open();
  const [one, other] = [await shared.start("one"), await shared.start("other")];
  const stored = await one.insert("a", { name: "A" });
  assertEquals(await count(one, { name: "A" }), 1);
  await untilCounted(other, { name: "A" }, 1);
  const found = await other.get("a");
  if (!found) throw new Error("The node did not find it");
  await other.replace(found, { name: "B" });
  await untilCounted(one, { name: "B" }, 1);
  assertEquals(await count(one, { name: "A" }), 0);
  assert(stored.versionstamp < ((await one.get("a"))?.versionstamp ?? ""));
});

Deno.test("A node finds what it does not know yet by asking the KV", async () => {
  await using shared = await SharedKv.open();
  const [one, other] = [await shared.start("one"), await shared.start("other")];
  await one.insert("a", { name: "A" });
  assertEquals((await other.see({ field: "name", value: "A" }))?.id, "a");
});

Deno.test("A node that was away catches up, removals included", async () => {
  await using shared = await SharedKv.open();
  const [one, other] = [await shared.start("one"), await shared.start("other")];
  for (let n = 0; n < 20; n++) await one.insert(`id-${n}`, { kind: "old", n });
  await untilCounted(other, { kind: "old" }, 20);
  await shared.stop(other);
  for (let n = 0; n < 10; n++) {
    const stored = await one.get(`id-${n}`);
    if (stored) await one.remove(stored);
  }
  for (let n = 0; n < 60; n++) await one.insert(`new-${n}`, { kind: "new", n });
  const back = await shared.start("other");
  assertEquals([await count(back, { kind: "old" }), await count(back, { kind: "new" })], [10, 60]);
});

Deno.test("A node that was away for longer than the log reaches back builds its view anew", async () => {
  await using shared = await SharedKv.open();
  const node = await shared.start("one");
  await node.insert("a", { name: "A" });
  await shared.stop(node);
  await shared.setUnlogged("b", { name: "B" });
  const soon = await shared.start("one");
  assertEquals(await count(soon, {}), 1);
  await shared.stop(soon);
  const view = new DatabaseSync(shared.viewPath("one"));
  const changed = view.prepare("UPDATE meta SET value = ? WHERE key = 'currentAt'").run(
    String(Date.now() - 6.5 * DAY_MS),
  );
  assertEquals(Number(changed.changes), 1);
  view.close();
  const late = await shared.start("one");
  assertEquals(await count(late, {}), 2);
});

Deno.test("Collections of one KV are followed apart from each other", async () => {
  await using shared = await SharedKv.open();
  const [things, others] = [await shared.start("one", "things"), await shared.start("one", "others")];
  await others.insert("a", { name: "A" });
  await things.insert("b", { name: "A" });
  assertEquals([await count(things, {}), await count(others, {})], [1, 1]);
  assertEquals((await things.see("a"))?.id, undefined);
});

Deno.test("A node that starts while the KV is away serves what it knew, and catches up when that is back", async () => {
  await using shared = await SharedKv.open();
  const [one, other] = [await shared.start("one"), await shared.start("other")];
  await one.insert("a", { name: "A" });
  await untilCounted(other, { name: "A" }, 1);
  await shared.stop(other);
  await one.insert("b", { name: "B" });
  shared.isAway = true;
  const back = await shared.start("other");
  assertEquals(back.view.status.state, "current");
  assertEquals((await back.see("a"))?.id, "a");
  assertEquals(await count(back, {}), 1);
  shared.isAway = false;
  await untilCounted(back, {}, 2);
});
