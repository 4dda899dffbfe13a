/** An Assets DB makes itself known to a registry: in the background, again and again until it has worked once. */
import { getLogger } from "@logtape/logtape";
import { asJsonObject, type JsonObject } from "../collection/json.ts";
import { type BackoffOptions, type Clock, retryDelayMs, systemClock } from "../objects/backoff.ts";

const log = getLogger(["assets-server", "assets"]);

/** What a user says of it. */
export interface SelfRegistrationConfig {
  /** Without a slash at the end. */
  registryUrl: string;
  /** The name to be found under. */
  name?: string;
  /** A write token of the registry. */
  token?: string;
}

/** What a registration works with. */
export interface SelfRegistrationOptions extends SelfRegistrationConfig {
  assetsDbId: string;
  /** Under which clients reach this Assets DB. */
  publicUrl: string;
  clock?: Clock;
  /** In [0, 1). */
  random?: () => number;
  backoff?: BackoffOptions;
}

/** A registration in the background. */
export interface SelfRegistration {
  /** Resolves when it is registered, or stopped. */
  done: Promise<void>;
  /** Gives it up, if it is not done. */
  stop(): Promise<void>;
}

/** Quick at first, for a registry that starts at the same time; then once in half a minute, on average. */
const BACKOFF: BackoffOptions = { baseMs: 1000, capMs: 60_000, maxRetryAfterMs: Infinity };

/** How long a request to the registry may take: with --require-healthy that probes us before it answers. */
const REQUEST_TIMEOUT_MS = 15_000;

/** The most bytes of an answer that are read: an entry may have 256 KiB. */
const MAX_ANSWER_BYTES = 512 * 1024;

/** The most characters of an answer that are read into a log. */
const MAX_SHOWN = 300;

/** Begins to register an Assets DB. Its entry has its `assets_db_id` for an id, so that there is one however often it starts. */
export function startSelfRegistration(options: SelfRegistrationOptions): SelfRegistration {
  const abort = new AbortController();
  const done = registerUntilDone(options, abort.signal);
  return {
    done,
    async stop() {
      abort.abort();
      await done;
    },
  };
}

async function registerUntilDone(options: SelfRegistrationOptions, signal: AbortSignal): Promise<void> {
  const { registryUrl, clock = systemClock, random = Math.random, backoff = BACKOFF } = options;
  let lastProblem = "";
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      const outcome = await register(options, signal);
      log.info("{outcome} at the registry {registryUrl}", { outcome, registryUrl });
      return;
    } catch (error) {
      if (signal.aborted) return;
      const problem = error instanceof Error ? error.message : String(error);
      if (problem !== lastProblem) {
        log.warn("Not registered at {registryUrl} yet, trying on: {problem}", { registryUrl, problem });
      }
      lastProblem = problem;
    }
    await clock.sleep(retryDelayMs(attempt, random, undefined, backoff) ?? backoff.capMs, signal).catch(
      () => {},
    );
  }
}

/** Makes the entry, or changes what is no longer so. Returns what it has done. */
async function register(options: SelfRegistrationOptions, signal: AbortSignal): Promise<string> {
  const { assetsDbId, publicUrl, name } = options;
  const path = `/asset_registry/${encodeURIComponent(assetsDbId)}`;
  const found = await ask(options, "GET", path, undefined, signal);
  if (found.status === 404) {
    const made = await ask(options, "POST", "/asset_registry", {
      asset_registry_id: assetsDbId,
      asset_registry_name: name ?? `Assets DB ${assetsDbId}`,
      asset_registry_public_url: publicUrl,
    }, signal);
    if (made.status === 201) return "Registered";
    throw problemOf(made);
  }
  if (found.status !== 200) throw problemOf(found);
  const entry = asJsonObject(found.body.data);
  // Without a name of our own, the one that the registry has may be somebody's choice.
  const wanted = {
    asset_registry_public_url: publicUrl,
    ...name !== undefined && { asset_registry_name: name },
  };
  if (Object.entries(wanted).every(([field, value]) => entry[field] === value)) return "Already registered";
  const changed = await ask(options, "PUT", path, wanted, signal);
  if (changed.status === 200) return "Registration updated";
  throw problemOf(changed);
}

interface RegistryAnswer {
  what: string;
  status: number;
  text: string;
  body: JsonObject;
}

async function ask(
  { registryUrl, token }: SelfRegistrationOptions,
  method: string,
  path: string,
  body: JsonObject | undefined,
  signal: AbortSignal,
): Promise<RegistryAnswer> {
  const response = await fetch(`${registryUrl}${path}`, {
    method,
    headers: {
      ...token !== undefined && { Authorization: `Bearer ${token}` },
      ...body && { "Content-Type": "application/json" },
    },
    body: body && JSON.stringify(body),
    // The token is for that registry, not for where it points.
    redirect: "manual",
    signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
  });
  const text = await readText(response);
  return { what: `${method} ${path}`, status: response.status, text, body: parseObject(text) };
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let sizeBytes = 0;
  // Leaving the loop ends the request.
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_ANSWER_BYTES) throw new Error(`it answers with more than ${MAX_ANSWER_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function parseObject(text: string): JsonObject {
  try {
    return asJsonObject(JSON.parse(text));
  } catch {
    return {};
  }
}

function problemOf({ what, status, text, body }: RegistryAnswer): Error {
  const said = typeof body.error === "string" ? body.error : text;
  return new Error(`${what} was answered ${status}: ${said.slice(0, MAX_SHOWN)}`);
}
