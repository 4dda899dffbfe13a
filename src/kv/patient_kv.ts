/** A local KV whose commits try again while another process holds its file: a backup, a check. */

/** What SQLite says of it through Deno KV; nothing was written then. */
const LOCKED = /database is locked/i;

/** Pauses before the next tries; together about 2 s. */
const PAUSES_MS = [10, 30, 100, 300, 600, 1000];

/** The same KV, with more patience. */
export function patient(kv: Deno.Kv): Deno.Kv {
  const members = new Map<PropertyKey, unknown>();
  members.set("set", (...args: Parameters<Deno.Kv["set"]>) => patiently(() => kv.set(...args)));
  members.set("delete", (key: Deno.KvKey) => patiently(() => kv.delete(key)));
  members.set("atomic", () => {
    const operation = kv.atomic();
    const commit = operation.commit.bind(operation);
    operation.commit = () => patiently(commit);
    return operation;
  });
  return new Proxy(kv, {
    get(target, key) {
      if (members.has(key)) return members.get(key);
      const member: unknown = Reflect.get(target, key, target);
      // Private members want the real object.
      const bound = typeof member === "function" ? member.bind(target) : member;
      members.set(key, bound);
      return bound;
    },
  });
}

async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (const pauseMs of PAUSES_MS) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Error && LOCKED.test(error.message))) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random())));
  }
  return await call();
}
