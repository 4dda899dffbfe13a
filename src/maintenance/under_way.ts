/** What the journal and the resumable uploads name: files that come or go, which have no document and are no fault. */

/** The ids of all that is under way. An id belongs to one Assets DB only, so whose it is does not matter. */
async function* underWay(kv: Deno.Kv): AsyncGenerator<string> {
  for (const kind of ["pending", "tus"]) {
    for await (const { key } of kv.list({ prefix: [kind] })) {
      const [, , id] = key;
      if (typeof id === "string") yield id;
    }
  }
}

/** The ids of all that is under way. */
export async function idsUnderWay(kv: Deno.Kv): Promise<Set<string>> {
  return new Set(await Array.fromAsync(underWay(kv)));
}
