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
  const { read, given } = source(Array.from({ length: 6000 }, (_, n) => lineOf(n)));
  const answers = createFromLines(test.service, read);
  await answers.next();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert(given() <= 3000, `${given()} pieces were read`);
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
  const { read } = source(Array.from({ length: 2000 }, (_, n) => lineOf(n)));
  const text = (await Array.fromAsync(createFromLines(test.service, read))).join("");
  assertEquals(text.match(/"success":true/g)?.length, 2000);
  assert(commits <= 100, `${commits} commits`);
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
