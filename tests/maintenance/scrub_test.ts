import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError, readConfig } from "../../src/cli/config.ts";
import { startScrub } from "../../src/maintenance/scrub.ts";
import { FileStore } from "../../src/objects/file_store.ts";
import { Metrics } from "../../src/observe/metrics.ts";
import { fsck, makeAssets } from "./fixture.ts";

/** The value of a metric, `undefined` while it has none. */
async function metric(url: string, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.split(" ")[1]);
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("It never came to pass");
}

Deno.test("the scrub finds a damaged and a missing file, fsck is told without reading all, and what is right again is forgotten", async () => {
  await using data = await makeAssets(4);
  const [damaged = "", missing = ""] = data.ids.map((id) => `${data.dataDir}/objects/asset/${id}`);
  const bytes = await Deno.readFile(missing);
  await Deno.writeTextFile(damaged, "CONTENT of 0");
  await Deno.remove(missing);
  assertEquals((await fsck(data.config)).kinds, ["missing_file"], "the size of the other is right");
  const scrubbing = { scrubInterval: "100ms" };
  await data.serve(async (url) => {
    await until(async () => await metric(url, "assets_server_scrub_damaged_files") === 2);
    await until(async () => await metric(url, "assets_server_scrub_finished_time_seconds") !== 0);
    assert((await metric(url, 'assets_server_scrub_files_total{result="right"}') ?? 0) >= 2);
    assert((await metric(url, "assets_server_scrub_bytes_total") ?? 0) >= 36);
  }, scrubbing);
  assertEquals((await fsck(data.config)).kinds.sort(), ["damaged_file", "missing_file"]);
  await Deno.writeTextFile(damaged, "content of 0");
  await Deno.writeFile(missing, bytes);
  await data.serve(async (url) => {
    await until(async () => await metric(url, "assets_server_scrub_damaged_files") === 0);
  }, scrubbing);
  assertEquals((await fsck(data.config)).kinds, []);
});

Deno.test("the scrub does not begin a round before its time, and goes on with one that was interrupted", async () => {
  await using data = await makeAssets(3);
  const id = (await Deno.readTextFile(`${data.dataDir}/assets_db_id`)).trim();
  await data.damage(async (kv) => {
    const scrub = async () => {
      const metrics = new Metrics();
      const store = new FileStore(`${data.dataDir}/objects`);
      const hour = 60 * 60_000;
      const running = startScrub({ kv, store, assetsDbId: id, metrics, intervalMs: hour, settleMs: 0 });
      await new Promise((resolve) => setTimeout(resolve, 300));
      await running.stop();
      return /files_total\{result="right"\} (\d+)/.exec(await metrics.text())?.[1];
    };
    assertEquals(await scrub(), "3");
    assertEquals(await scrub(), undefined, "the next round is due in an hour");
    const [first] = [...data.ids].sort();
    await kv.set(["scrub", id], { after: first, startedAt: Date.now(), finishedAt: 0 });
    assertEquals(await scrub(), "2", "those behind the first");
  });
});

Deno.test("of two replicas one scrubs; the other goes on with the round when the first has stopped", async () => {
  await using data = await makeAssets(4);
  const id = (await Deno.readTextFile(`${data.dataDir}/assets_db_id`)).trim();
  await data.damage(async (kv) => {
    const files = new FileStore(`${data.dataDir}/objects`);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    let reads = 0;
    // The second file that the first replica reads stands still.
    const store: typeof files = Object.create(files, {
      get: {
        async value(...args: Parameters<typeof files.get>) {
          if (++reads === 2) {
            begin();
            await released;
          }
          return await files.get(...args);
        },
      },
    });
    const replica = () => {
      const metrics = new Metrics();
      const more = { metrics, intervalMs: 60_000, settleMs: 0, isShared: true };
      return { metrics, scrub: startScrub({ kv, store, assetsDbId: id, ...more }) };
    };
    const rightOf = async (metrics: Metrics) =>
      /files_total\{result="right"\} (\d+)/.exec(await metrics.text())?.[1];
    const first = replica();
    await begun;
    const second = replica();
    await new Promise((resolve) => setTimeout(resolve, 200));
    assertEquals(await rightOf(second.metrics), undefined, "it waits");
    const stopping = first.scrub.stop();
    release();
    await stopping;
    await second.scrub.stop();
    const third = replica();
    await until(async () => (await rightOf(third.metrics)) !== undefined && reads >= 4);
    await third.scrub.stop();
    const counts = await Promise.all([first, third].map(({ metrics }) => rightOf(metrics)));
    assertEquals(
      counts.reduce((sum, count) => sum + Number(count), 0),
      4,
      "each file was read to its end once",
    );
  });
});

Deno.test("files on a disk are scrubbed once a week, files in S3 only if asked for", () => {
  const interval = (flags: Record<string, string>) => readConfig(flags, () => undefined).scrubIntervalMs;
  assertEquals(interval({}), 7 * 24 * 3600 * 1000);
  assertEquals(interval({ s3Bucket: "bucket" }), undefined);
  assertEquals(interval({ s3Bucket: "bucket", scrubInterval: "2d" }), 2 * 24 * 3600 * 1000);
  assertEquals(interval({ scrubInterval: "off" }), undefined);
  assertThrows(() => interval({ scrubInterval: "often" }), ConfigError, "--scrub-interval");
});
