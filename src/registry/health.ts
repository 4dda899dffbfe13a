/** Asks an Assets DB how it is. */
import { isJsonObject, type Json } from "../collection/json.ts";
import { ServiceError } from "../errors.ts";
import { type GuardedClient, readText } from "./guarded_client.ts";
import type { HealthCheck, SelfDescription } from "./health_records.ts";

/** What a healthy Assets DB said. */
export interface HealthReport {
  /** The JSON of its `/health`. */
  said: Json;
  health: { status: "healthy"; latency_ms: number; checked_at: string };
}

/** How to probe. */
export interface ProbeOptions {
  client: GuardedClient;
  /** How long a probe may take. */
  timeoutMs?: number;
  /** Ends the probe early. */
  signal?: AbortSignal;
}

/** With 20 at a time, 120 that never answer fit into an interval of 30 s. */
const DEFAULT_TIMEOUT_MS = 5000;

/** The most bytes of an answer that are read; that of an Assets DB has some hundred. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * The URL of a route below the public URL of an entry.
 *
 * @param path begins with a slash
 */
export function urlBelow(publicUrl: string, path: string): URL {
  const url = new URL(publicUrl);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}${path}`;
  url.hash = "";
  return url;
}

/**
 * Asks the Assets DB at this URL for its health.
 *
 * @throws {ServiceError} `unhealthy` if it has no URL, may not be asked, refuses, answers with a bad status or not in JSON;
 * `timeout` if it does not answer in time
 */
export async function probe(publicUrl: string, options: ProbeOptions): Promise<HealthReport> {
  const { client, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  if (publicUrl === "") throw unhealthy("The asset registry has no public URL to ask.");
  const url = urlBelow(publicUrl, "/health");
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = options.signal ? AbortSignal.any([timeout, options.signal]) : timeout;
  const startedAt = performance.now();
  try {
    const said = await fetchJson(client, url, signal);
    return {
      said,
      health: {
        status: "healthy",
        latency_ms: millisecondsSince(startedAt),
        checked_at: new Date().toISOString(),
      },
    };
  } catch (error) {
    if (error instanceof ServiceError) throw error;
    if (timeout.aborted) {
      throw new ServiceError("timeout", `${url.href} did not answer within ${timeoutMs / 1000} s.`);
    }
    throw unhealthy(
      `${url.href} could not be reached: ${error instanceof Error ? error.message : error}.`,
      error,
    );
  }
}

/** A probe, however it went: what is to be recorded of it, and what it was. */
export type ProbeOutcome =
  & { check: HealthCheck; about?: SelfDescription }
  & ({ report: HealthReport } | { failure: ServiceError });

/** Asks the Assets DB at this URL for its health. A bad health is an outcome too, not an error. */
export async function probeOutcome(publicUrl: string, options: ProbeOptions): Promise<ProbeOutcome> {
  const startedAt = performance.now();
  try {
    const report = await probe(publicUrl, options);
    const about = { assetsDbId: saidText(report.said, "assets_db_id"), mode: saidText(report.said, "mode") };
    return { check: report.health, about, report };
  } catch (failure) {
    if (!(failure instanceof ServiceError)) throw failure;
    const check: HealthCheck = {
      status: "unhealthy",
      checked_at: new Date().toISOString(),
      latency_ms: millisecondsSince(startedAt),
      error: failure.message,
    };
    return { check, failure };
  }
}

/** Milliseconds since a `performance.now()`, to a tenth. */
export function millisecondsSince(startedAt: number): number {
  return Math.round((performance.now() - startedAt) * 10) / 10;
}

/** A short text of what `/health` said, such as its `mode`; `undefined` if it said no such thing. */
function saidText(said: Json, key: string): string | undefined {
  const value = isJsonObject(said) && Object.hasOwn(said, key) ? said[key] : undefined;
  return typeof value === "string" && value.length <= 128 ? value : undefined;
}

async function fetchJson(client: GuardedClient, url: URL, signal: AbortSignal): Promise<Json> {
  const response = await client.send(url, { signal, headers: { Accept: "application/json" } });
  const text = await readText(response, MAX_ANSWER_BYTES);
  if (response.status < 200 || response.status > 299) {
    throw unhealthy(`${url.href} answered ${response.status}.`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw unhealthy(`${url.href} answered something that is not JSON.`);
  }
}

function unhealthy(message: string, cause?: unknown): ServiceError {
  return new ServiceError("unhealthy", message, { cause });
}
