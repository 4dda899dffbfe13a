/**
 * A server under light and constant load for a long time: whether memory, descriptors and latency stay flat.
 *
 * `deno task soak [--minutes N] [--rate N]`. The server is a process of its own, on a disk; the rate is of operations a second.
 * A line a minute, and at the end the first sixth of the time next to the last.
 */
import { parseArgs } from "node:util";
import { startAssetsServer } from "../bench/processes.ts";
import { Load } from "./load.ts";
import { compare, describe, type Minute, type Process, processOf } from "./minutes.ts";

const USAGE = "usage: soak [--minutes N] [--rate N], N above 0";

const MINUTE_MS = 60_000;

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      minutes: { type: "string", default: "60" },
      rate: { type: "string", default: "15" },
    },
  });
  const [minutes, rate] = [Number(values.minutes), Number(values.rate)];
  if (!(minutes > 0 && rate > 0)) {
    await say(USAGE);
    return 2;
  }
  const dataDir = await Deno.makeTempDir({ prefix: "assets-server-soak-" });
  try {
    return await soak(dataDir, minutes, rate);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
}

async function soak(dataDir: string, minutes: number, rate: number): Promise<number> {
  await using server = await startAssetsServer(dataDir);
  const load = new Load(server.url);
  await load.fill();
  const all: Minute[] = [];
  let before: Process = await processOf(server.pid);
  const ending = load.run({ rate, untilMs: Date.now() + minutes * MINUTE_MS });
  const ended = ending.then(() => true);
  for (let isOver = false; !isOver;) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const minute = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), MINUTE_MS));
    isOver = await Promise.race([ended, minute]);
    clearTimeout(timer);
    const now = await processOf(server.pid);
    // What the last seconds bring is no minute.
    if (isOver && all.length > 0 && now.atMs - before.atMs < MINUTE_MS / 2) break;
    all.push({ before, now, times: load.takeTimes() });
    before = now;
    await say(describe(all.length, all[all.length - 1]));
  }
  await say(`\n${load.done} operations, ${load.unexpected.length} unexpected answers`);
  for (const answer of load.unexpected.slice(0, 20)) await say(`  ${answer}`);
  await say(compare(all));
  return load.unexpected.length === 0 ? 0 : 1;
}

async function say(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${text}\n`));
}

Deno.exit(await main(Deno.args));
