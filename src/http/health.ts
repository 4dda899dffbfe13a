/** `GET /health`: whether what the server stands on answers. */
import type { Context } from "hono";
import { sendJson } from "./send.ts";

/** Resolves when a part works; says on rejection why not. */
type Check = (signal: AbortSignal) => Promise<void>;

/** The checks by name; each resolves when its part works, and says on rejection why not. */
export interface HealthChecks {
  /** What else the answer says of the server: its mode, version, id. */
  about: () => Record<string, string>;
  checks: Record<string, Check>;
}

/** The state of one part. */
interface CheckResult {
  status: "healthy" | "unhealthy";
  latency_ms: number;
  error?: string;
}

/** A part that does not answer for this long is not healthy. */
const CHECK_TIMEOUT_MS = 3000;

/** A check writes to the disk or crosses the network, so what passed is believed for this long. */
const BELIEVED_MS = 1000;

/** The checks under way, and those that passed a moment ago. */
const recent = new WeakMap<Check, { result: Promise<CheckResult>; until: number }>();

/** Answers 200 `healthy` when every check passes, else 503 `unhealthy`, with the results of all. */
export async function healthAnswer(context: Context, { about, checks }: HealthChecks): Promise<Response> {
  const results = await Promise.all(
    Object.entries(checks).map(async (
      [name, check],
    ): Promise<[string, CheckResult]> => [name, await shared(check)]),
  );
  const isHealthy = results.every(([, { status }]) => status === "healthy");
  const body = {
    success: isHealthy,
    message: isHealthy ? "healthy" : "unhealthy",
    ...about(),
    checks: Object.fromEntries(results),
  };
  return sendJson(context, body, isHealthy ? 200 : 503, { "Cache-Control": "no-store" });
}

/** The result of a check, made once for all who ask at the same time. */
async function shared(check: Check): Promise<CheckResult> {
  const known = recent.get(check);
  if (known && performance.now() < known.until) return await known.result;
  const entry = { result: run(check), until: Infinity };
  recent.set(check, entry);
  const result = await entry.result;
  entry.until = result.status === "healthy" ? performance.now() + BELIEVED_MS : 0;
  return result;
}

async function run(check: Check): Promise<CheckResult> {
  const startedAt = performance.now();
  const elapsed = () => Math.round((performance.now() - startedAt) * 10) / 10;
  const timeout = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`no answer within ${CHECK_TIMEOUT_MS / 1000} s`);
      timeout.abort(error);
      reject(error);
    }, CHECK_TIMEOUT_MS);
  });
  try {
    await Promise.race([check(timeout.signal), late]);
    return { status: "healthy", latency_ms: elapsed() };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { status: "unhealthy", latency_ms: elapsed(), error: reason };
  } finally {
    clearTimeout(timer);
  }
}
