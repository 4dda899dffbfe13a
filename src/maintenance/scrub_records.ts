/**
 * What the scrub keeps in the KV.
 *
 * | key                                       | value                                                                     |
 * | ----------------------------------------- | ------------------------------------------------------------------------- |
 * | `["scrub", assets_db_id]`                 | `{after, startedAt, finishedAt, owner, heldUntil}`: how far the round is   |
 * | `["scrub-damage", assets_db_id, id]`      | `{problem, foundAt}` of a file that is missing or damaged                  |
 *
 * Of several replicas one scrubs: the one whose name is in `owner`, until `heldUntil`. Whoever finds that to be over takes it in
 * a commit that checks its versionstamp, so of many one succeeds.
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

/** A replica, and how long it may be silent before another one takes its place. */
export interface ScrubOwner {
  /** Another one for every start. */
  name: string;
  leaseMs: number;
}

/** How far the scrub of an Assets DB has come. */
export async function readScrubState(kv: Deno.Kv, assetsDbId: string): Promise<ScrubState> {
  return stateOf((await kv.get<unknown>(stateKey(assetsDbId))).value);
}

/** Takes the scrub, or keeps it; `undefined` if another replica has it. */
export async function takeScrub(
  kv: Deno.Kv,
  assetsDbId: string,
  { name, leaseMs }: ScrubOwner,
): Promise<ScrubState | undefined> {
  const key = stateKey(assetsDbId);
  const { value, versionstamp } = await kv.get<unknown>(key);
  const { owner, heldUntil } = asJsonObject(value);
  const now = Date.now();
  if (owner !== undefined && owner !== name && Number(heldUntil) > now) return undefined;
  const state = stateOf(value);
  const taken = { ...state, owner: name, heldUntil: now + leaseMs };
  const { ok } = await kv.atomic().check({ key, versionstamp }).set(key, taken).commit();
  return ok ? state : undefined;
}

/**
 * Keeps how far the scrub has come; `false`, and nothing is kept, if another replica has taken it.
 *
 * @param owner whose lease is to begin anew; of 0 ms, to give it back
 */
export async function keepScrub(
  kv: Deno.Kv,
  assetsDbId: string,
  state: ScrubState,
  { name, leaseMs }: ScrubOwner,
): Promise<boolean> {
  const key = stateKey(assetsDbId);
  const { value, versionstamp } = await kv.get<unknown>(key);
  if (asJsonObject(value).owner !== name) return false;
  const kept = { ...state, owner: name, heldUntil: Date.now() + leaseMs };
  return (await kv.atomic().check({ key, versionstamp }).set(key, kept).commit()).ok;
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

function stateOf(value: unknown): ScrubState {
  const { after, startedAt, finishedAt } = asJsonObject(value);
  return {
    after: typeof after === "string" ? after : "",
    startedAt: typeof startedAt === "number" ? startedAt : 0,
    finishedAt: typeof finishedAt === "number" ? finishedAt : 0,
  };
}

function stateKey(assetsDbId: string): Deno.KvKey {
  return ["scrub", assetsDbId];
}

function damageKey(assetsDbId: string, id: string): Deno.KvKey {
  return ["scrub-damage", assetsDbId, id];
}
