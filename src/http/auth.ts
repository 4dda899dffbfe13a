/** Bearer tokens (RFC 6750) for reading and for writing. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Context } from "hono";
import { ServiceError } from "../errors.ts";
import type { Access, AppEnv } from "./app.ts";
import { isForeignPage } from "./cors.ts";

/** A token that a server knows. */
export interface AccessToken {
  /** Stands for the token in the log. */
  name: string;
  access: "read" | "write";
  token: string;
}

/** A token as it is kept: only what it takes to recognize it. */
interface KnownToken {
  name: string;
  digest: Uint8Array;
}

/** The tokens that a server knows. Without any, everybody may do everything. They may be exchanged while it runs. */
export class AccessTokens {
  #read: KnownToken[] = [];
  #write: KnownToken[] = [];

  constructor(tokens: AccessToken[]) {
    this.replace(tokens);
  }

  /** From now on these tokens are known, and no others. */
  replace(tokens: AccessToken[]): void {
    const of = (wanted: AccessToken["access"]) =>
      tokens.filter(({ access }) => access === wanted)
        .map(({ name, token }) => ({ name, digest: sha256(token) }));
    this.#read = of("read");
    this.#write = of("write");
  }

  /**
   * Whether this needs a token.
   *
   * With write tokens, what changes something needs one. With read tokens, everything else needs either, and without write
   * tokens nothing can be changed.
   */
  restricts(access: Access): boolean {
    if (access === "open") return false;
    return this.#read.length > 0 || (access === "write" && this.#write.length > 0);
  }

  /** What a token is known for, and under which name. */
  identify(token: string): { access: "read" | "write"; name: string } | undefined {
    const digest = sha256(token);
    const write = nameOf(this.#write, digest);
    const read = nameOf(this.#read, digest);
    if (write !== undefined) return { access: "write", name: write };
    return read === undefined ? undefined : { access: "read", name: read };
  }
}

/**
 * Lets a request through, or throws what `authenticate` throws.
 *
 * Where no token is needed, a page that anybody made may still not change anything through the browser of somebody who can
 * reach this server: a form can be sent to any origin without asking it (WHATWG Fetch, "CORS-safelisted request").
 *
 * @throws {ServiceError} `forbidden` then
 */
export function authorize(context: Context<AppEnv>, tokens: AccessTokens, access: Access): void {
  const { env, req } = context;
  if (tokens.restricts(access)) env.tokenName = authenticate(tokens, access, req.header("Authorization"));
  if (access !== "write" || env.tokenName !== undefined) return;
  const hosts = [req.header("Host") ?? "", env.edge.publicHost()];
  if (!isForeignPage(env.edge.origins, req.raw.headers, hosts)) return;
  throw new ServiceError("forbidden", "Pages of this origin may not change anything here (--cors-origin).");
}

/**
 * Lets a request through, or throws.
 *
 * @returns the name of the token that let it through, `undefined` if it needed none
 * @throws {ServiceError} `unauthenticated` without a known token, `forbidden` with a read token where a write token is needed
 */
export function authenticate(
  tokens: AccessTokens,
  access: Access,
  authorization: string | undefined,
): string | undefined {
  if (!tokens.restricts(access)) return undefined;
  const token = /^Bearer +([^ ]+) *$/i.exec(authorization ?? "")?.[1];
  if (token === undefined) {
    throw new ServiceError("unauthenticated", "This needs a bearer token in the Authorization header.");
  }
  const known = tokens.identify(token);
  if (!known) throw new ServiceError("unauthenticated", "The bearer token is not known here.");
  if (access === "write" && known.access !== "write") {
    throw new ServiceError("forbidden", "This token may read; changing something needs a write token.");
  }
  return known.name;
}

/** Compares digests, all of them, so that the time taken tells nothing of the tokens. */
function nameOf(known: KnownToken[], digest: Uint8Array): string | undefined {
  let found: string | undefined;
  for (const one of known) if (timingSafeEqual(one.digest, digest)) found = one.name;
  return found;
}

function sha256(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
