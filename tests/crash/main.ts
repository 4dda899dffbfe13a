/**
 * Kills servers at random moments under load, and holds them to what they acknowledged.
 *
 * `deno task test:crash [--minutes N] [--store disk|minio|ceph|all]`. The time is for all stores together.
 */
import { parseArgs } from "node:util";
import { startCeph } from "../../scripts/services/ceph.ts";
import { startMinio } from "../../scripts/services/minio.ts";
import type { S3Service } from "../../scripts/services/s3_service.ts";
import type { SettingTexts } from "../../src/cli/settings.ts";
import { type Tally, trial } from "./trial.ts";

const MIB = 2 ** 20;
const BUCKET = "crash";

/** Beyond one part of a multipart upload. */
const LARGEST_BYTES = 12 * MIB;

const STORES = ["disk", "minio", "ceph"] as const;
type Store = typeof STORES[number];

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: "string", default: "1" },
      store: { type: "string", default: "disk,minio" },
    },
  });
  const minutes = Number(values.minutes);
  const names = values.store === "all" ? STORES : values.store.split(",");
  const stores = STORES.filter((store) => names.includes(store));
  if (!(minutes > 0) || stores.length !== names.length) {
    await say("usage: test:crash [--minutes N] [--store disk,minio,ceph|all]");
    return 2;
  }
  let failed = 0;
  for (const store of stores) {
    const startedAt = Date.now();
    try {
      const tally = await onStore(store, minutes * 60_000 / stores.length);
      await say(`${store}: ok, ${summary(tally)} in ${seconds(startedAt)} s`);
    } catch (error) {
      failed++;
      await say(
        `${store}: FAILED after ${seconds(startedAt)} s: ${error instanceof Error ? error.stack : error}`,
      );
    }
  }
  return failed === 0 ? 0 : 1;
}

async function onStore(store: Store, durationMs: number): Promise<Tally> {
  if (store === "disk") return await run({}, durationMs);
  await using service = await (store === "minio" ? startMinio() : startCeph());
  await service.createBucket(BUCKET);
  return await run(settingsOf(service), durationMs);
}

async function run(settings: SettingTexts, durationMs: number): Promise<Tally> {
  let last: Tally | undefined;
  try {
    return await trial(settings, {
      untilMs: Date.now() + durationMs,
      largestBytes: LARGEST_BYTES,
      onKill: (tally) => last = { ...tally },
    });
  } catch (error) {
    if (last) await say(`before it failed: ${summary(last)}`);
    throw error;
  }
}

function settingsOf({ endpoint, region, accessKeyId, secretAccessKey }: S3Service): SettingTexts {
  return {
    s3Bucket: BUCKET,
    s3Endpoint: endpoint,
    s3Region: region,
    s3AccessKeyId: accessKeyId,
    s3SecretAccessKey: secretAccessKey,
  };
}

function summary({ kills, acknowledged, assets }: Tally): string {
  return `${kills} kills, ${acknowledged} writes acknowledged and all there, ${assets} assets at the end`;
}

function seconds(startedAt: number): number {
  return Math.round((Date.now() - startedAt) / 1000);
}

async function say(line: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
}

Deno.exit(await main(Deno.args));
