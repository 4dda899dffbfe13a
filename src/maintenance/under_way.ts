/** What the journal and the resumable uploads name: files that come or go, which have no document and are no fault. */

/** What is under way. */
export interface UnderWay {
  /** The ids of all. An id belongs to one Assets DB only, so whose it is does not matter. */
  ids: Set<string>;
  /** How many entries the journal has. */
  pending: number;
  /** How many resumable uploads there are, ended ones that can be asked about included. */
  uploads: number;
}

/** Reads what is under way. */
export async function readUnderWay(kv: Deno.Kv): Promise<UnderWay> {
  const pending = await Array.fromAsync(idsBelow(kv, "pending"));
  const uploads = await Array.fromAsync(idsBelow(kv, "tus"));
  return { ids: new Set([...pending, ...uploads]), pending: pending.length, uploads: uploads.length };
}

async function* idsBelow(kv: Deno.Kv, kind: string): AsyncGenerator<string> {
  for await (const { key } of kv.list({ prefix: [kind] })) {
    const [, , id] = key;
    if (typeof id === "string") yield id;
  }
}
