/** Bearer tokens (RFC 6750) for reading and for writing. */
import { createHash, timingSafeEqual } from "node:crypto";
import { ServiceError } from "../errors.ts";
import type { Access } from "./app.ts";

/** The tokens that a server knows. Empty lists: everybody may do everything. */
export interface AccessTokens {
  read: string[];
  write: string[];
}

/**
 * Lets a request through, or throws.
 *
 * With write tokens, what changes something needs one. With read tokens, everything else needs either, and without write
 * tokens nothing can be changed.
 *
 * @throws {ServiceError} `unauthenticated` without a known token, `forbidden` with a read token where a write token is needed
 */
export function authenticate(tokens: AccessTokens, access: Access, authorization: string | undefined): void {
  const isRestricted = access === "write"
    ? tokens.write.length > 0 || tokens.read.length > 0
    : access === "read" && tokens.read.length > 0;
  if (!isRestricted) return;
  const token = /^Bearer +([^ ]+) *$/i.exec(authorization ?? "")?.[1];
  if (token === undefined) {
    throw new ServiceError("unauthenticated", "This needs a bearer token in the Authorization header.");
  }
  const mayWrite = isAmong(tokens.write, token);
  const mayRead = isAmong(tokens.read, token);
  if (!mayWrite && !mayRead) throw new ServiceError("unauthenticated", "The bearer token is not known here.");
  if (access === "write" && !mayWrite) {
    throw new ServiceError("forbidden", "This token may read; changing something needs a write token.");
  }
}

/** Compares digests, all of them, so that the time taken tells nothing of the tokens. */
function isAmong(known: string[], token: string): boolean {
  const digest = sha256(token);
  let found = false;
  for (const one of known) if (timingSafeEqual(sha256(one), digest)) found = true;
  return found;
}

function sha256(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
