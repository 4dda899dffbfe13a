/** Requests per second: by `wrk` where it is on the PATH, else by `load_client.ts`, which is about as fast. */
import { join } from "node:path";
import { runModule, runProgram } from "./processes.ts";
import type { LoadResult } from "./load_client.ts";

/** Enough for the client and the server never to wait for each other. */
const CONNECTIONS = 64;

/** What asks. */
export interface LoadGenerator {
  description: string;
  /** Asks for the paths in turn; returns requests per second. Throws if an answer was not 200. */
  run(url: string, paths: string[], durationMs: number): Promise<number>;
}

/** The generator that this machine has. `folder` is for its scripts. */
export async function chooseLoadGenerator(folder: string): Promise<LoadGenerator> {
  if (await isOnPath("wrk")) return wrk(folder);
  return {
    description: `tests/bench/load_client.ts, ${CONNECTIONS} connections`,
    async run(url, paths, durationMs) {
      const file = join(folder, "paths.json");
      await Deno.writeTextFile(file, JSON.stringify(paths));
      const result = await runModule("load_client.ts", [
        url,
        file,
        String(CONNECTIONS),
        String(durationMs),
      ]);
      const { requests, seconds, failures } = checkResult(result);
      if (failures > 0) throw new Error(`${failures} of ${requests} answers of ${url} were not 200.`);
      return requests / seconds;
    },
  };
}

function wrk(folder: string): LoadGenerator {
  return {
    description: `wrk, ${CONNECTIONS} connections, 1 thread`,
    async run(url, paths, durationMs) {
      const script = join(folder, "wrk.lua");
      await Deno.writeTextFile(script, wrkScript(paths));
      const seconds = Math.max(1, Math.round(durationMs / 1000));
      const options = ["-t1", `-c${CONNECTIONS}`, `-d${seconds}s`, "-s", script, url];
      const said = await runProgram("wrk", options);
      const rate = /^Requests\/sec:\s+([\d.]+)/m.exec(said)?.[1];
      if (rate === undefined || /Non-2xx|Socket errors/.test(said)) throw new Error(`wrk: ${said}`);
      return Number(rate);
    },
  };
}

/** The requests are made once: making them while measuring would cost the client a part of its rate. */
function wrkScript(paths: string[]): string {
  return `local paths = {${paths.map((path) => JSON.stringify(path)).join(",")}}
local requests, n = {}, 0
init = function() for i, path in ipairs(paths) do requests[i] = wrk.format("GET", path) end end
request = function() n = n % #requests + 1; return requests[n] end
`;
}

async function isOnPath(program: string): Promise<boolean> {
  try {
    await new Deno.Command(program, { args: ["-v"], stdout: "null", stderr: "null" }).output();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function checkResult(result: unknown): LoadResult {
  if (
    typeof result === "object" && result !== null && "requests" in result && "seconds" in result &&
    "failures" in result
  ) {
    const { requests, seconds, failures } = result;
    return { requests: Number(requests), seconds: Number(seconds), failures: Number(failures) };
  }
  throw new TypeError(`Not what load_client.ts prints: ${JSON.stringify(result)}`);
}
