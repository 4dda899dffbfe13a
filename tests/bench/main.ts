/**
 * Measures the server next to its ceilings: `deno task bench [groups…]`, see `--help`.
 *
 * It needs npm alone; comparisons with programs that are not installed are left out. Bars that are not reached are said, but only what breaks is a failure: a shared machine has slow days.
 */
import { availableParallelism, cpus } from "node:os";
import { benchGlobal } from "./global.ts";
import { benchHttp } from "./http.ts";
import { benchObjects } from "./objects.ts";
import { type BenchOptions, parseOptions, USAGE } from "./options.ts";
import { benchQueries } from "./queries.ts";
import { formatReport, type GroupReport, reportJson } from "./report.ts";

type Group = (folder: string, options: BenchOptions) => AsyncIterable<GroupReport>;

const GROUPS: Record<string, Group> = {
  http: benchHttp,
  objects: benchObjects,
  queries: benchQueries,
  global: benchGlobal,
};

/** Windows knows no SIGTERM. */
const INTERRUPTS: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === "string") {
    await print(options);
    return options === USAGE ? 0 : 2;
  }
  const folder = await Deno.makeTempDir({ prefix: "assets-server-bench-" });
  // What is running dies with this process; the folder would stay.
  const onInterrupt = () => void removeFolder(folder).finally(() => Deno.exit(130));
  for (const signal of INTERRUPTS) Deno.addSignalListener(signal, onInterrupt);
  try {
    await print(`${machine()}\n`);
    const reports = await measure(folder, options);
    if (options.jsonFile !== undefined) await writeJson(options.jsonFile, reports);
    return 0;
  } finally {
    for (const signal of INTERRUPTS) Deno.removeSignalListener(signal, onInterrupt);
    await removeFolder(folder);
  }
}

async function measure(folder: string, options: BenchOptions): Promise<GroupReport[]> {
  const names = options.groups.length > 0 ? options.groups : Object.keys(GROUPS);
  const reports: GroupReport[] = [];
  for (const name of names) {
    for await (const report of GROUPS[name]?.(folder, options) ?? []) {
      reports.push(report);
      await print(`\n${formatReport(report)}`);
    }
  }
  return reports;
}

/** The options, or the text that is to be printed instead. */
function readOptions(args: string[]): BenchOptions | string {
  try {
    const options = parseOptions(args, Object.keys(GROUPS));
    return options === "help" ? USAGE : options;
  } catch (error) {
    return `bench: ${error instanceof Error ? error.message : error}\n`;
  }
}

function machine(): string {
  const model = cpus()[0]?.model ?? "unknown processor";
  return `Deno ${Deno.version.deno}, ${Deno.build.os} ${Deno.build.arch}, ${availableParallelism()} × ${model}`;
}

async function writeJson(path: string, reports: GroupReport[]): Promise<void> {
  const outcome = {
    machine: machine(),
    measured_at: new Date().toISOString(),
    groups: reports.map(reportJson),
  };
  await Deno.writeTextFile(path, `${JSON.stringify(outcome, null, 2)}\n`);
}

async function print(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(text));
}

async function removeFolder(folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
}

if (import.meta.main) Deno.exit(await main(Deno.args));
