/** Opens the KV that the settings name: a file of this machine, or one across the network. */
import { ConfigError } from "../cli/config.ts";
import { patient } from "./patient_kv.ts";
import { RemoteKv } from "./remote_kv.ts";

/** How long a start waits for a KV across the network; without it the server answers what it can from its own index. */
const START_WAIT_MS = 5000;

/** An open KV. */
export interface OpenKv {
  kv: Deno.Kv;
  /** Since when it has been there, in milliseconds since the epoch; `Infinity` while it is away. */
  upSince: () => number;
}

/**
 * Opens a KV.
 *
 * @param db a path, `:memory:`, or the URL of a KV Connect endpoint
 * @param node names this node among those of a shared KV
 * @throws {ConfigError} without a token
 * @throws {Error} with one line that says what is in the way
 */
export async function openKv(db: string, isShared: boolean, node: string): Promise<OpenKv> {
  if (!isShared) {
    const kv = await openLocal(db);
    const openedAt = Date.now();
    return { kv: patient(kv), upSince: () => openedAt };
  }
  const token = Deno.env.get("DENO_KV_ACCESS_TOKEN");
  if (!token) throw new ConfigError(`The KV ${db} needs its token in DENO_KV_ACCESS_TOKEN (--db)`);
  const kv = new RemoteKv({ url: db, token, node });
  await kv.ready(START_WAIT_MS);
  return { kv, upSince: () => kv.upSince };
}

async function openLocal(db: string): Promise<Deno.Kv> {
  try {
    return await Deno.openKv(db);
  } catch (error) {
    throw new Error(
      `The KV ${db} cannot be opened (--db): ${error instanceof Error ? error.message : error}`,
    );
  }
}
