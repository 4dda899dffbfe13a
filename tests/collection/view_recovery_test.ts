import { assert, assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { Collection } from "../../src/collection/collection.ts";
import { ServiceError } from "../../src/errors.ts";
import { LOG_REACHES_BACK_MS } from "../../src/collection/change_log.ts";
import { present } from "../present.ts";
import { ask, idOf, take } from "./fixture.ts";

/** A folder with a KV and a view, opened and closed at will. */
class Place implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "view-recovery-test-" });
  readonly viewPath = `${this.folder}/things.view.sqlite`;

  async open(kvFile = "things.kv"): Promise<{ kv: Deno.Kv; things: Collection } & AsyncDisposable> {
    const kv = await Deno.openKv(`${this.folder}/${kvFile}`);
    const things = new Collection({
      kv,
      name: "things",
      uniqueOf: ({ name }) => typeof name === "string" ? [{ field: "name", value: name }] : [],
      maxDocumentBytes: 256 * 1024,
      viewPath: this.viewPath,
    });
    await things.view.ready(10_000);
    return {
      kv,
      things,
      async [Symbol.asyncDispose]() {
        await things.close();
        kv.close();
      },
    };
  }

  /** Writes to the view while nobody has it open. */
  tamper(sql: string): void {
    const db = new DatabaseSync(this.viewPath);
    db.exec(sql);
    db.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function names(things: Collection): Promise<unknown[]> {
  return (await take(things, ask({}), "name")).values;
}

async function fill(things: Collection, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) await things.insert(idOf(n), { name: `thing ${n}`, n });
}

/** What is in the view while its file is closed. */
function meta(viewPath: string, key: string): unknown {
  const db = new DatabaseSync(viewPath, { readOnly: true });
  try {
    return db.prepare("SELECT value FROM meta WHERE key = ?").get(key)?.value;
  } finally {
    db.close();
  }
}

Deno.test("A view takes in what was committed while it was not there to see", async () => {
  await using place = new Place();
  {
    await using first = await place.open();
    await fill(first.things, 0, 3);
  }
  await Deno.rename(place.viewPath, `${place.viewPath}.kept`);
  {
    await using second = await place.open();
    await fill(second.things, 3, 5);
    await second.things.replace(present(await second.things.get(idOf(0))), { name: "changed" });
    await second.things.remove(present(await second.things.get(idOf(1))));
  }
  // The view as it was before all that: as if the program had died between the commits and their way into the view.
  await Deno.rename(`${place.viewPath}.kept`, place.viewPath);
  const built = meta(place.viewPath, "position");
  await using third = await place.open();
  assertEquals(await names(third.things), ["changed", "thing 2", "thing 3", "thing 4"]);
  assert(String(built) < String(meta(place.viewPath, "position")));
});

for (
  const [what, spoil] of [
    ["is missing", (place: Place) => Deno.removeSync(place.viewPath)],
    [
      "is no database",
      (place: Place) => Deno.writeTextFileSync(place.viewPath, "not a database at all".repeat(500)),
    ],
    ["has lost a table", (place: Place) => place.tamper("DROP TABLE posting")],
    ["was made by another version", (place: Place) => place.tamper("PRAGMA user_version = 999")],
    ["was not built to its end", (place: Place) => place.tamper("DELETE FROM meta WHERE key = 'position'")],
    [
      "is older than the log",
      (place: Place) =>
        place.tamper(
          `UPDATE meta SET value = ${Date.now() - LOG_REACHES_BACK_MS - 1} WHERE key = 'currentAt'`,
        ),
    ],
    [
      "is of another KV",
      (place: Place) => place.tamper("UPDATE meta SET value = 'x' WHERE key = 'identity'"),
    ],
    [
      "was open when the machine went down",
      (place: Place) => Deno.writeTextFileSync(`${place.viewPath}.open`, "another boot"),
    ],
  ] as const
) {
  Deno.test(`A view that ${what} is built anew from the documents`, async () => {
    await using place = new Place();
    {
      await using before = await place.open();
      await fill(before.things, 0, 7);
    }
    // What only a view that was built anew does not have.
    place.tamper('UPDATE doc SET json = \'{"name":"stale"}\'');
    spoil(place);
    await using after = await place.open();
    assertEquals(await names(after.things), Array.from({ length: 7 }, (_, n) => `thing ${n}`));
    assertEquals(await after.things.query(ask({ n: { $gte: 5 } })).count(), 2);
  });
}

Deno.test("A view that is whole is not built anew", async () => {
  await using place = new Place();
  {
    await using before = await place.open();
    await fill(before.things, 0, 2);
  }
  place.tamper('UPDATE doc SET json = \'{"name":"kept"}\'');
  await using after = await place.open();
  assertEquals(await names(after.things), ["kept", "kept"]);
});

Deno.test("A view follows its KV to another one", async () => {
  await using place = new Place();
  {
    await using one = await place.open("one.kv");
    await fill(one.things, 0, 3);
  }
  await using other = await place.open("other.kv");
  assertEquals(await names(other.things), []);
});

Deno.test("A view that gets damaged while it is open is built anew, and the changes go on", async () => {
  await using place = new Place();
  await using open = await place.open();
  await fill(open.things, 0, 3);
  const db = new DatabaseSync(place.viewPath);
  db.exec("DROP TABLE posting");
  db.close();
  await fill(open.things, 3, 4);
  const deadline = performance.now() + 20_000;
  let found: unknown[] = [];
  while (found.length < 4 && performance.now() < deadline) {
    found = await names(open.things).catch(() => []);
    if (found.length < 4) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertEquals(found, ["thing 0", "thing 1", "thing 2", "thing 3"]);
});

Deno.test("While a view is being built, documents are read from the truth and queries are unavailable", async () => {
  await using place = new Place();
  {
    await using before = await place.open();
    await fill(before.things, 0, 3);
  }
  await Deno.remove(place.viewPath);
  const kv = await Deno.openKv(`${place.folder}/things.kv`);
  // The documents come when they are let: until then the view is being built.
  const gate = Promise.withResolvers<void>();
  const slow = new Proxy(kv, {
    get(target, name) {
      if (name !== "list") {
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      }
      return (...args: Parameters<Deno.Kv["list"]>) => gated(target.list(...args), gate.promise);
    },
  });
  const things = new Collection({
    kv: slow,
    name: "things",
    uniqueOf: ({ name }) => typeof name === "string" ? [{ field: "name", value: name }] : [],
    maxDocumentBytes: 256 * 1024,
    viewPath: place.viewPath,
  });
  try {
    await things.view.ready(50);
    assertEquals(things.view.status.state, "building");
    assertEquals((await things.see(idOf(1)))?.text, '{"name":"thing 1","n":1}');
    assertEquals((await things.see({ field: "name", value: "thing 2" }))?.id, idOf(2));
    const error = await assertRejects(() => names(things), ServiceError);
    assertEquals(error.code, "unavailable");
    gate.resolve();
    await things.view.ready(10_000);
    assertEquals(await names(things), ["thing 0", "thing 1", "thing 2"]);
  } finally {
    gate.resolve();
    await things.close();
    kv.close();
  }
});

async function* gated<T>(list: AsyncIterable<T>, open: Promise<void>): AsyncGenerator<T> {
  await open;
  yield* list;
}

Deno.test("Changes behind some that could not be applied wait for these", async () => {
  await using place = new Place();
  await using opened = await place.open();
  const { things } = opened;
  using db = new DatabaseSync(place.viewPath);
  db.exec(`CREATE TRIGGER refusal BEFORE INSERT ON doc WHEN new.id = '${idOf(1)}'
    BEGIN SELECT RAISE(ABORT, 'not now'); END`);
  // While the view is busy with the first, more come than go into one batch, and the second of them is refused.
  db.exec("BEGIN IMMEDIATE");
  const first = fill(things, 0, 1);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const count = 2200;
  const others = Array.from({ length: count - 1 }, (_, n) => ({ id: idOf(n + 1), document: { n: n + 1 } }));
  const rest = things.insertMany(others);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  db.exec("COMMIT");
  await Promise.all([first, rest]);
  const counted = async () => (await take(things, ask({}), "n")).values;
  assertEquals((await counted()).length, 1);
  db.exec("DROP TRIGGER refusal");
  for (let tries = 0; tries < 100 && (await counted()).length < count; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assertEquals(await counted(), Array.from({ length: count }, (_, n) => n));
});
