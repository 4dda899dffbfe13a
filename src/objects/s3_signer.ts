/**
 * AWS Signature Version 4 for S3 (Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)").
 *
 * The library makes the signature; what is S3's own is decided here: the path is signed as it is sent, not escaped a
 * second time, and the hash of the body always comes from the caller.
 */

import { Sha256 } from "@aws-crypto/sha256-js";
import { SignatureV4 } from "@smithy/signature-v4";
import { encodeQuery, type S3Config } from "./s3_address.ts";

/** SHA-256 of no bytes: the hash of a request without a body. */
export const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** Said in place of a body's hash where the one who signs never sees the body (presigned URLs). */
const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";
const CONTENT_SHA256 = "x-amz-content-sha256";

/** The parts of a request that are signed. */
export interface SignableRequest {
  method: string;
  url: URL;
  headers: Record<string, string>;
  /** Hex SHA-256 of the body. */
  bodySha256: string;
}

/** Signs requests for one access key in one region; without an access key it signs nothing. */
export class S3Signer {
  readonly #signature: SignatureV4 | undefined;

  constructor(config: Pick<S3Config, "region" | "accessKeyId" | "secretAccessKey" | "sessionToken">) {
    const { region, accessKeyId, secretAccessKey, sessionToken } = config;
    if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
      throw new TypeError("An S3 access key id and its secret access key must be given together.");
    }
    if (accessKeyId === undefined || secretAccessKey === undefined) return;
    this.#signature = new SignatureV4({
      service: "s3",
      region,
      sha256: Sha256,
      credentials: { accessKeyId, secretAccessKey, sessionToken },
      // Every service but S3 signs the path encoded twice and with its dot segments removed.
      uriEscapePath: false,
      // The library would hash the body with JavaScript; it takes the hash from the header instead.
      applyChecksum: false,
    });
  }

  /**
   * The headers to send, signature included. `Host` is signed as `fetch` will send it (the URL's host, with a port
   * that is not the default) and left out, because `fetch` sets it itself and ignores anybody else's.
   */
  async sign(request: SignableRequest, signingDate: Date): Promise<Record<string, string>> {
    const headers = { ...request.headers, [CONTENT_SHA256]: request.bodySha256 };
    if (this.#signature === undefined) return headers;
    const signed = await this.#signature.sign(
      libraryRequest(request.method, request.url, { ...headers, host: request.url.host }),
      { signingDate },
    );
    const { host: _, ...toSend } = signed.headers;
    return toSend;
  }

  /**
   * A URL that anybody may GET until it expires ("Authenticating Requests: Using Query Parameters"; at most 7 days).
   * Throws a `TypeError` without a key to sign with.
   */
  async presignGet(url: URL, expiresSeconds: number, signingDate: Date): Promise<URL> {
    if (this.#signature === undefined) {
      throw new TypeError("A URL can't be presigned without an S3 access key.");
    }
    const hashHeader = new Set([CONTENT_SHA256]);
    const signed = await this.#signature.presign(
      libraryRequest("GET", url, { host: url.host, [CONTENT_SHA256]: UNSIGNED_PAYLOAD }),
      {
        signingDate,
        expiresIn: expiresSeconds,
        unhoistableHeaders: hashHeader,
        unsignableHeaders: hashHeader,
      },
    );
    const query: Record<string, string> = {};
    for (const [name, value] of Object.entries(signed.query ?? {})) {
      if (typeof value === "string") query[name] = value;
    }
    const presigned = new URL(url);
    presigned.search = encodeQuery(query);
    return presigned;
  }
}

function libraryRequest(method: string, url: URL, headers: Record<string, string>) {
  return {
    method,
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers,
  };
}
