/**
 * What the scrub keeps in the KV.
 *
 * | key                                       | value                                                      |
 * | ----------------------------------------- | ---------------------------------------------------------- |
 * | `["scrub", assets_db_id]`                 | `{after, startedAt, finishedAt}`: how far the round is      |
 * | `["scrub-damage", assets_db_id, id]`      | `{problem, foundAt}` of a file that is missing or damaged   |
 */
import { asJsonObject } from "../collection/json.ts";

/** How far a scrub has come. */
export interface ScrubState {
  /** The id of the last asset of this round that was looked at; "" between two rounds. */
  after: string;
  /** When this round began, or the last one if none is under way; milliseconds since the epoch, 0 for never. */
  startedAt: number;
  /** When the last round ended. */
  finishedAt: number;
}

/** How far the scrub of an Assets DB has come. */
export async function readScrubState(kv: Deno.Kv, assetsDbId: string): Promise<ScrubState> {
  const { after, startedAt, finishedAt } = asJsonObject((await kv.get<unknown>(stateKey(assetsDbId))).value);
  return {
    after: typeof after === "string" ? after : "",
    startedAt: typeof startedAt === "number" ? startedAt : 0,
    finishedAt: typeof finishedAt === "number" ? finishedAt : 0,
  };
}

/** Keeps how far the scrub has come. */
export async function writeScrubState(kv: Deno.Kv, assetsDbId: string, state: ScrubState): Promise<void> {
  await kv.set(stateKey(assetsDbId), state);
}

/** Keeps what was found of the file of an asset. */
export async function rememberDamage(
  kv: Deno.Kv,
  assetsDbId: string,
  id: string,
  damage: { problem: string; foundAt: number },
): Promise<void> {
  await kv.set(damageKey(assetsDbId, id), damage);
}

/** The file of an asset is right, or nobody's any more. */
export async function forgetDamage(kv: Deno.Kv, assetsDbId: string, id: string): Promise<void> {
  await kv.delete(damageKey(assetsDbId, id));
}

/** The ids of the assets whose files were found missing or damaged. */
export async function damagedIds(kv: Deno.Kv, assetsDbId: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { key } of kv.list({ prefix: ["scrub-damage", assetsDbId] })) ids.push(String(key[2]));
  return ids;
}

function stateKey(assetsDbId: string): Deno.KvKey {
  return ["scrub", assetsDbId];
}

function damageKey(assetsDbId: string, id: string): Deno.KvKey {
  return ["scrub-damage", assetsDbId, id];
}
