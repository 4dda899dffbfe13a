/**
 * A small client of S3's REST API: one signed request at a time, repeated when that is safe.
 *
 * Each attempt has a deadline up to its answer's headers, or up to the end of the answer where the client reads it
 * itself; a body that is handed on has none. What failed is thrown as `S3Error`, a fired signal as its reason.
 */

import { type Clock, retryDelayMs, systemClock } from "./backoff.ts";
import { sendBlocks } from "./block_request.ts";
import { systemErrorCode } from "./durable_fs.ts";
import { S3Address, type S3Config } from "./s3_address.ts";
import { describedError, errorOfAnswer, isTransient, isWithoutEffect, S3Error } from "./s3_errors.ts";
import { EMPTY_SHA256, S3Signer } from "./s3_signer.ts";
import { parseS3Xml, type XmlElement } from "./s3_xml.ts";

/**
 * Which failures are repeated: `always` for idempotent requests, `without_effect` for those that must not happen
 * twice (only if the first surely did not happen), `never` for one try.
 */
export type RetryPolicy = "always" | "without_effect" | "never";

/** A request to the bucket, or to an object in it. */
export interface S3Request {
  method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** The object's whole key, prefix included; left out, the request goes to the bucket. */
  key?: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  /** In as many pieces as one likes. */
  body?: readonly Uint8Array<ArrayBuffer>[];
  /** Hex SHA-256 of `body`; required with one. */
  bodySha256?: string;
  /** Default `always`. */
  retry?: RetryPolicy;
  /** Deadline of each attempt; by default 10 s for an object, 30 s for a listing or with a body, whose time at 64 KiB/s is added. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** One attempt, as a metric sees it. */
export interface S3Attempt {
  method: string;
  durationMs: number;
  /** S3's code or ours if it failed. */
  errorCode?: string;
}

/** What the client takes from its surroundings. */
export interface S3ClientOptions {
  clock?: Clock;
  /** A number in [0, 1). */
  random?: () => number;
  maxAttempts?: number;
  /** How long an attempt may take in milliseconds; by default {@link attemptTimeoutMs}. */
  timeoutOf?: (request: S3Request) => number;
  /** Called after each attempt. */
  onAttempt?: (attempt: S3Attempt) => void;
}

const MAX_ATTEMPTS = 4;
/** A connection may have died unnoticed, so what got no answer in time is tried once more. A service that is mute is not asked again. */
const MAX_TIMEOUTS = 2;
/** Listings and writes make a service work before it answers. */
const ATTEMPT_TIMEOUT_MS = 30_000;
/** Twice that is still below what clients wait for as a rule. */
const OBJECT_TIMEOUT_MS = 10_000;
/** The slowest link that an upload's deadline allows for. */
const MIN_UPLOAD_BYTES_PER_MS = 65_536 / 1000;
/** How much of an error's body is read. */
const MAX_ERROR_BODY_BYTES = 64 * 1024;
/** Listings hold up to 1000 keys of 1 KiB, which percent-encoding can triple. */
const MAX_XML_BODY_BYTES = 16 * 1024 * 1024;
/** The system's names of what ends a connection before it stands. */
const UNREACHED_CODES = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

/** Asks one bucket. */
export class S3Client {
  readonly address: S3Address;
  readonly #config: S3Config;
  readonly #signer: S3Signer;
  readonly #options: Required<Omit<S3ClientOptions, "onAttempt">> & Pick<S3ClientOptions, "onAttempt">;

  /** Throws a `TypeError` with a sentence when the configuration makes no sense. */
  constructor(config: S3Config, options: S3ClientOptions = {}) {
    this.#config = config;
    this.address = new S3Address(config);
    this.#signer = new S3Signer(config);
    this.#options = {
      clock: options.clock ?? systemClock,
      random: options.random ?? Math.random,
      maxAttempts: options.maxAttempts ?? MAX_ATTEMPTS,
      timeoutOf: options.timeoutOf ?? attemptTimeoutMs,
      onAttempt: options.onAttempt,
    };
  }

  /** The client's clock, milliseconds since 1970. */
  now(): number {
    return this.#options.clock.now();
  }

  /** Sends and hands the answer on with its body unread: the caller reads or cancels it. */
  sendForBody(request: S3Request): Promise<Response> {
    return this.#send(request, (response) => Promise.resolve(response));
  }

  /** Sends for the status and headers alone; the body is thrown away. */
  sendForHeaders(request: S3Request): Promise<Headers> {
    return this.#send(request, async (response) => {
      await readStart(response, MAX_ERROR_BODY_BYTES);
      return response.headers;
    });
  }

  /**
   * Sends and reads the XML answer. An error in an answer of status 200 is an error all the same: S3 begins to answer
   * before it knows how the completion of a multipart upload ends.
   */
  sendForXml(request: S3Request): Promise<XmlElement> {
    return this.#send(request, async (response) => {
      const root = parseS3Xml(await readStart(response, MAX_XML_BODY_BYTES));
      const said = describedError(root);
      if (said !== undefined) throw new S3Error({ kind: "answered", ...said });
      return root;
    });
  }

  /**
   * A URL under which anybody can GET the object for so long. `endpoint` is the one put into the URL, when clients
   * reach the service under another name; `responseContentType` and `responseContentDisposition` are what the answer
   * will say. Throws a `TypeError` without an access key.
   */
  presignGet(key: string, options: {
    expiresSeconds: number;
    endpoint?: string;
    responseContentType?: string;
    responseContentDisposition?: string;
  }): Promise<URL> {
    const { expiresSeconds, endpoint, responseContentType, responseContentDisposition } = options;
    const address = endpoint === undefined ? this.address : new S3Address({ ...this.#config, endpoint });
    const url = address.url(key, {
      ...(responseContentType === undefined ? {} : { "response-content-type": responseContentType }),
      ...(responseContentDisposition === undefined
        ? {}
        : { "response-content-disposition": responseContentDisposition }),
    });
    return this.#signer.presignGet(url, expiresSeconds, new Date(this.now()));
  }

  async #send<T>(request: S3Request, read: (response: Response) => Promise<T>): Promise<T> {
    const { clock, random, maxAttempts } = this.#options;
    const policy = request.retry ?? "always";
    let timeouts = 0;
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#measured(request, read);
      } catch (error) {
        if (!(error instanceof S3Error) || !isTransient(error) || attempt >= maxAttempts) throw error;
        if (error.kind === "timed_out" && ++timeouts >= MAX_TIMEOUTS) throw error;
        if (policy === "never" || (policy === "without_effect" && !isWithoutEffect(error))) throw error;
        const delayMs = retryDelayMs(attempt, random, error.retryAfterMs);
        if (delayMs === undefined) throw error;
        await clock.sleep(delayMs, request.signal);
      }
    }
  }

  async #measured<T>(request: S3Request, read: (response: Response) => Promise<T>): Promise<T> {
    const startedAtMs = this.now();
    let errorCode: string | undefined;
    try {
      return await this.#attempt(request, read);
    } catch (error) {
      errorCode = error instanceof S3Error ? error.code : "Aborted";
      throw error;
    } finally {
      const durationMs = this.now() - startedAtMs;
      this.#options.onAttempt?.({ method: request.method, durationMs, ...(errorCode && { errorCode }) });
    }
  }

  async #attempt<T>(request: S3Request, read: (response: Response) => Promise<T>): Promise<T> {
    const { method, key, body, signal } = request;
    signal?.throwIfAborted();
    const url = this.address.url(key, request.query);
    const bodySha256 = body === undefined ? EMPTY_SHA256 : request.bodySha256;
    if (bodySha256 === undefined) throw new TypeError("A request with a body needs the body's SHA-256.");
    const headers = await this.#signer.sign(
      { method, url, headers: request.headers ?? {}, bodySha256 },
      new Date(this.now()),
    );
    // After signing, because proxies rewrite it: bytes are wanted as they are stored, never compressed on the way.
    headers["accept-encoding"] = "identity";
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), this.#options.timeoutOf(request));
    try {
      const either = signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal;
      const response = body === undefined
        ? await fetch(url, { method, headers, redirect: "manual", signal: either })
        : await sendBlocks(url, { method, headers, blocks: body, signal: either });
      if (response.ok) return await read(response);
      throw errorOfAnswer(
        response,
        await readStart(response, MAX_ERROR_BODY_BYTES),
        key !== undefined,
        this.now(),
      );
    } catch (error) {
      signal?.throwIfAborted();
      if (deadline.signal.aborted) throw noAnswer("timed_out", "DeadlineExceeded", error);
      throw error instanceof TypeError ? brokenConnection(error) : error;
    } finally {
      clearTimeout(timer);
    }
  }
}

function noAnswer(kind: "unreached" | "interrupted" | "timed_out", code: string, cause: unknown): S3Error {
  return new S3Error({ kind, code, message: "The request got no answer.", cause });
}

/** A `TypeError` is whatever the network does; only its cause tells whether a connection stood. */
function brokenConnection(error: TypeError): S3Error {
  const reason = `${error.message} ${error.cause instanceof Error ? error.cause.message : ""}`;
  // The phase in the words of the HTTP library under Deno's fetch, and in those of `node:http`.
  const unreached = reason.includes("client error (Connect)") ||
    UNREACHED_CODES.has(systemErrorCode(error.cause) ?? "");
  return noAnswer(
    unreached ? "unreached" : "interrupted",
    unreached ? "Unreachable" : "ConnectionBroken",
    error,
  );
}

/** The deadline of each attempt at a request, in milliseconds. */
export function attemptTimeoutMs({ timeoutMs, key, method, body }: S3Request): number {
  if (timeoutMs !== undefined) return timeoutMs;
  if (key !== undefined && method !== "POST" && body === undefined) return OBJECT_TIMEOUT_MS;
  return ATTEMPT_TIMEOUT_MS + sizeOf(body ?? []) / MIN_UPLOAD_BYTES_PER_MS;
}

function sizeOf(blocks: readonly Uint8Array[]): number {
  return blocks.reduce((sum, { length }) => sum + length, 0);
}

/** The first `limitBytes` of a body as text; the rest is thrown away, so that the connection is free again. */
async function readStart(response: Response, limitBytes: number): Promise<string> {
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let sizeBytes = 0;
  for await (const chunk of response.body) {
    const wanted = chunk.subarray(0, limitBytes - sizeBytes);
    text += decoder.decode(wanted, { stream: true });
    sizeBytes += chunk.length;
    // Leaving the loop cancels the body.
    if (sizeBytes >= limitBytes) break;
  }
  return text + decoder.decode();
}
