/**
 * Where a bucket is and how its keys are written in a URL.
 *
 * Path addressing puts the bucket into the path (`https://s3.example.com/bucket/key`), virtual-host addressing into
 * the name of the host (`https://bucket.s3.example.com/key`).
 */

import { ServiceError } from "../errors.ts";

/** How a bucket is named in a URL. */
export type S3Addressing = "path" | "virtual";

/** A bucket, the service that has it, and who asks. */
export interface S3Config {
  bucket: string;
  /** http(s) URL of the service, with a port and a path if it has one. Default: AWS's endpoint for the region. */
  endpoint?: string;
  region: string;
  /** Put before every key, e.g. `team/a` for keys `team/a/asset/…`. Slashes at its ends don't count. */
  prefix?: string;
  addressing: S3Addressing;
  /** Without an access key, requests go out unsigned. */
  accessKeyId?: string;
  secretAccessKey?: string;
  sessionToken?: string;
}

/** Longest key, in bytes of UTF-8 (Amazon S3 User Guide, "Naming Amazon S3 objects"). */
const MAX_KEY_BYTES = 1024;

/** AWS's own endpoint for a region; the China partition has its own domain. */
export function defaultEndpoint(region: string): string {
  return `https://s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

/**
 * Percent-encodes as SigV4 wants it: every byte but RFC 3986's unreserved ones, hex in upper case.
 * `encodeURIComponent` leaves five more characters alone.
 */
export function encodeRfc3986(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/**
 * An object's key as a URL path without a leading slash: encoded as above, slashes kept.
 * Throws `invalid_request` for a key that S3 or a URL can't hold.
 */
export function encodeKey(key: string): string {
  const refuse = (why: string) =>
    new ServiceError("invalid_request", `An object's key ${why}.`, { details: { key: key.slice(0, 200) } });
  if (key === "") throw refuse("must not be empty");
  if (!key.isWellFormed()) throw refuse("must be well-formed Unicode");
  if (new TextEncoder().encode(key).length > MAX_KEY_BYTES) {
    throw refuse(`must not be longer than ${MAX_KEY_BYTES} bytes`);
  }
  const segments = key.split("/");
  // A URL parser drops such segments, also percent-encoded ones (WHATWG URL, "double-dot URL path segment"), so the
  // request would reach another object, or another bucket.
  if (segments.includes(".") || segments.includes("..")) throw refuse('must not have a "." or ".." segment');
  return segments.map(encodeRfc3986).join("/");
}

/** A query string with its parameters encoded and sorted, as SigV4 signs it; `""` for none. */
export function encodeQuery(query: Record<string, string>): string {
  return Object.entries(query)
    .map(([name, value]) => `${encodeRfc3986(name)}=${encodeRfc3986(value)}`)
    .sort()
    .join("&");
}

/** The address of one bucket at one endpoint. */
export class S3Address {
  readonly bucket: string;
  /** The endpoint as a person would write it, for messages: no credentials, no slash at its end. */
  readonly endpoint: string;
  readonly #root: string;

  /** Throws a `TypeError` with a sentence when bucket and endpoint make no URL. */
  constructor(config: Pick<S3Config, "bucket" | "endpoint" | "region" | "addressing">) {
    const { bucket, region, addressing } = config;
    if (!/^[^/\\?#%\s]+$/.test(bucket) || bucket === "." || bucket === "..") {
      throw new TypeError(`${JSON.stringify(bucket)} is not the name of an S3 bucket.`);
    }
    const url = parseEndpoint(config.endpoint ?? defaultEndpoint(region));
    const path = url.pathname.replace(/\/+$/, "");
    this.bucket = bucket;
    this.endpoint = `${url.protocol}//${url.host}${path}`;
    if (addressing === "path") {
      this.#root = `${this.endpoint}/${encodeRfc3986(bucket)}`;
    } else {
      this.#root = `${url.protocol}//${bucket}.${url.host}${path}`;
      // "bucket.10.0.0.1" is no host name, and neither is a bucket with an underscore or upper case.
      if (!URL.canParse(this.#root) || new URL(this.#root).host !== `${bucket}.${url.host}`) {
        throw new TypeError(
          `Virtual-host addressing can't put the bucket "${bucket}" before "${url.host}"; use path addressing.`,
        );
      }
    }
  }

  /** The URL of the bucket, or of an object in it. Throws `invalid_request` for an impossible key. */
  url(key?: string, query: Record<string, string> = {}): URL {
    const search = encodeQuery(query);
    return new URL(`${this.#root}/${key === undefined ? "" : encodeKey(key)}${search && `?${search}`}`);
  }
}

function parseEndpoint(endpoint: string): URL {
  if (!URL.canParse(endpoint)) throw new TypeError("The S3 endpoint is not a URL.");
  const url = new URL(endpoint);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError("The S3 endpoint must start with http:// or https://.");
  }
  if (url.username || url.password) throw new TypeError("The S3 endpoint must not hold credentials.");
  if (url.search || url.hash) throw new TypeError("The S3 endpoint must not have a query or a fragment.");
  return url;
}
