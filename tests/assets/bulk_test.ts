import { assert, assertEquals } from "@std/assert";
import { createFromLines, type ReadBytes } from "../../src/assets/bulk.ts";
import { AssetService } from "../../src/assets/service.ts";
import { FileStore } from "../../src/objects/file_store.ts";

/** A service on a KV in memory; `wrap` may put faults into the KV. */
async function open(wrap: (kv: Deno.Kv) => Deno.Kv = (kv) => kv) {
  const kv = await Deno.openKv(":memory:");
  const folder = await Deno.makeTempDir({ prefix: "bulk-test-" });
  const service = new AssetService({
    kv: wrap(kv),
    isShared: false,
    store: new FileStore(`${folder}/objects`),
    assetsDbId: "db",
    publicUrl: () => "http://localhost:1",
    viewPath: `${folder}/assets.view.sqlite`,
  });
  await service.open(5000);
  return {
    service,
    async [Symbol.asyncDispose]() {
      await service.close();
      kv.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Gives these pieces, and counts how many were asked for. */
function source(pieces: Iterable<string>): { read: ReadBytes; given: () => number } {
  const iterator = pieces[Symbol.iterator]();
  let given = 0;
  return {
    given: () => given,
    read() {
      const next = iterator.next();
      if (!next.done) given++;
      return Promise.resolve(next.done ? undefined : new TextEncoder().encode(next.value));
    },
  };
}

/** Gives what has come since it was last asked, as a socket does: four lines each millisecond. */
function trickle(lines: readonly string[]): ReadBytes {
  const startedAt = performance.now();
  let given = 0;
  return async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (given === lines.length) return undefined;
    const come = Math.max(given + 1, Math.floor(4 * (performance.now() - startedAt)));
    const text = lines.slice(given, come).join("");
    given = Math.min(come, lines.length);
    return new TextEncoder().encode(text);
  };
}

function lineOf(n: number): string {
  return `${JSON.stringify({ asset_name: `a${n}`, asset_version: { version: "1", tag: "t" } })}\n`;
}

/** A KV whose commits are made by `commit`. */
function withCommits(
  kv: Deno.Kv,
  commit: (
    real: () => Promise<Deno.KvCommitResult | Deno.KvCommitError>,
  ) => Promise<Deno.KvCommitResult | Deno.KvCommitError>,
): Deno.Kv {
  return new Proxy(kv, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target);
      if (key !== "atomic") return typeof member === "function" ? member.bind(target) : member;
      return () => {
        const operation = target.atomic();
        const real = operation.commit.bind(operation);
        operation.commit = () => commit(real);
        return operation;
      };
    },
  });
}

Deno.test("createFromLines() reads no further than its answers are taken", async () => {
  await using test = await open();
  const piece = (n: number) => Array.from({ length: 300 }, (_, m) => lineOf(300 * n + m)).join("");
  const { read, given } = source(Array.from({ length: 100 }, (_, n) => piece(n)));
  const answers = createFromLines(test.service, read);
  await answers.next();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert(given() <= 12, `${given()} pieces were read`);
  await answers.return(undefined);
});

Deno.test("createFromLines() puts lines that come one by one into few commits", async () => {
  let commits = 0;
  await using test = await open((kv) =>
    withCommits(kv, (real) => {
      commits++;
      return real();
    })
  );
  commits = 0;
  const read = trickle(Array.from({ length: 2000 }, (_, n) => lineOf(n)));
  const text = (await Array.fromAsync(createFromLines(test.service, read))).join("");
  assertEquals(text.match(/"success":true/g)?.length, 2000);
  assert(commits <= 400, `${commits} commits`);
});

Deno.test("createFromLines() reads no more while lines are on their way, unless the client sends as fast as it is read", async () => {
  await using test = await open();
  for (const [lines, isAhead] of [[1, false], [300, true]] as const) {
    const piece = Array.from({ length: lines }, (_, n) => lineOf(1000 * lines + n)).join("");
    let asked = 0;
    const waits = Promise.withResolvers<undefined>();
    const read: ReadBytes = () =>
      ++asked === 1 ? Promise.resolve(new TextEncoder().encode(piece)) : waits.promise;
    const answers = createFromLines(test.service, read);
    // It is given nevertheless, should the client have stopped sending.
    assert(/"line":1,"success":true/.test(String((await answers.next()).value)));
    assertEquals(asked, isAhead ? 2 : 1);
    waits.resolve(undefined);
    await Array.fromAsync(answers);
  }
});

Deno.test("createFromLines() answers the lines of a failed commit with unavailable, and goes on", async () => {
  let commits = 0;
  await using test = await open((kv) =>
    withCommits(kv, (real) => {
      commits++;
      return commits === 2 ? Promise.reject(new TypeError("connection lost")) : real();
    })
  );
  commits = 0;
  const lines = Array.from({ length: 300 }, (_, n) => lineOf(n)).join("");
  const text = (await Array.fromAsync(createFromLines(test.service, source([lines]).read))).join("");
  const answers: { line: number; success: boolean; code?: string }[] = text.trimEnd().split("\n")
    .map((line) => JSON.parse(line));
  assertEquals(answers.map(({ line }) => line), Array.from({ length: 300 }, (_, n) => n + 1));
  assertEquals(answers.filter(({ success }) => success).length, 200);
  assertEquals(answers.filter(({ code }) => code === "unavailable").length, 100);
});

Deno.test("A service that closes lets the lines that are on their way be stored, though nobody waits for the answer", async () => {
  const begun = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let isHeld = false;
  const test = await open((kv) =>
    withCommits(kv, async (real) => {
      if (!isHeld) return await real();
      begun.resolve();
      await released.promise;
      return await real();
    })
  );
  isHeld = true;
  const answer = createFromLines(test.service, source([lineOf(1)]).read).next();
  await begun.promise;
  const closed = test[Symbol.asyncDispose]();
  await new Promise((resolve) => setTimeout(resolve, 50));
  released.resolve();
  assert(/"line":1,"success":true/.test(String((await answer).value)));
  await closed;
});

Deno.test("createFromLines() lets others have their turn while every line is bad", async () => {
  await using test = await open();
  const { read } = source([`${"1\n".repeat(40_000)}`]);
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  let count = 0;
  for await (const text of createFromLines(test.service, read)) count += text.split("\n").length - 1;
  clearInterval(timer);
  assertEquals(count, 40_000);
  // It takes a second at least, of which others have a turn every 10 ms.
  assert(turns >= 20, `others had ${turns} turns`);
});
