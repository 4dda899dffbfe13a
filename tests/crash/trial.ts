/** A server that is killed again and again while clients work, and what it has to have each time it comes back. */
import { AssertionError } from "@std/assert";
import { asJsonObject } from "../../src/collection/json.ts";
import { fsck } from "../maintenance/fixture.ts";
import { type ProcessServer, startProcessServer } from "../integration/process_server.ts";
import type { SettingTexts } from "../../src/cli/settings.ts";
import { json } from "../server/harness.ts";
import type { Observed } from "./model.ts";
import { Worker } from "./worker.ts";

const WORKERS = 4;

/** How long the server lives before it is killed. */
const LIFE_MS = { least: 50, most: 2500 };

/** After how many kills every file is read. */
const CHECKSUMS_EVERY = 10;

/** How long the sweeper may take after a start. */
const SWEEP_MS = 15_000;

/** What happened. */
export interface Tally {
  kills: number;
  acknowledged: number;
  /** Assets that were there at the end. */
  assets: number;
}

/**
 * Kills a server until the time is over.
 *
 * @param settings where its files are
 * @param largestBytes of a file
 * @throws {AssertionError} at the first thing that is not as it must be
 */
export async function trial(
  settings: SettingTexts,
  options: { untilMs: number; largestBytes: number; onKill: (tally: Tally) => void },
): Promise<Tally> {
  await using server = await startProcessServer(settings);
  const workers = Array.from(
    { length: WORKERS },
    (_, n) => new Worker(n, server.url, options.largestBytes),
  );
  const tally: Tally = { kills: 0, acknowledged: 0, assets: 0 };
  while (Date.now() < options.untilMs || tally.kills === 0) {
    const working = Promise.all(workers.map((worker) => worker.run()));
    // A failure before the kill is one, too.
    working.catch(() => {});
    const lifeMs = LIFE_MS.least + Math.random() * (LIFE_MS.most - LIFE_MS.least);
    await Promise.race([new Promise((resolve) => setTimeout(resolve, lifeMs)), working]);
    const restarted = server.restart();
    await working;
    await restarted;
    tally.kills++;
    tally.assets = await verify(server, workers, { readsFiles: tally.kills % CHECKSUMS_EVERY === 0 });
    tally.acknowledged = workers.reduce((sum, { model }) => sum + model.acknowledged, 0);
    options.onKill(tally);
  }
  return tally;
}

/** Everything that was acknowledged is there, nothing else is, and the store and the index agree. Returns how many assets. */
async function verify(
  server: ProcessServer,
  workers: readonly Worker[],
  { readsFiles }: { readsFiles: boolean },
): Promise<number> {
  let assets = 0;
  for (const worker of workers) {
    const observed = await observedBy(server, worker.filter);
    assets += observed.size;
    for (const name of new Set([...worker.model.names(), ...observed.keys()])) {
      worker.model.observe(name, observed.get(name));
    }
    worker.forgetEnded();
    // fsck reads all files now and then; the youngest are read each time, as a client would.
    const known = worker.model.known();
    for (const { name, state } of known.slice(-5)) await worker.checkFile(name, state);
  }
  await checkLeft(server, readsFiles);
  return assets;
}

async function observedBy(server: ProcessServer, filter: unknown): Promise<Map<string, Observed>> {
  const response = await fetch(`${server.url}/assets`, json("POST", filter));
  const { data } = asJsonObject(await response.json());
  if (!Array.isArray(data)) throw new AssertionError(`A query was answered ${response.status}`);
  return new Map(data.map((one) => {
    const { asset_name, asset_version, asset_metadata, asset_file_info } = asJsonObject(one);
    const { sha256 } = asJsonObject(asset_file_info);
    return [String(asset_name), {
      n: Number(asJsonObject(asset_metadata).n),
      tag: String(asJsonObject(asset_version).tag),
      sha256: typeof sha256 === "string" ? sha256 : undefined,
    }];
  }));
}

/** fsck finds nothing, and the sweeper leaves nothing in the journal. */
async function checkLeft(server: ProcessServer, readsFiles: boolean): Promise<void> {
  const deadline = Date.now() + SWEEP_MS;
  for (;;) {
    const { told, pending } = await fsck(server.config, { readsFiles });
    if (told.length > 0) throw new AssertionError(`fsck found ${JSON.stringify(told)}`);
    if (pending === 0) return;
    if (Date.now() > deadline) throw new AssertionError(`The sweeper left ${pending} entries of the journal`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
