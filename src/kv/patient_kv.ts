/**
 * A local KV whose commits try again while another process holds its file, such as a backup or a check, and say so when the
 * disk is full.
 */
import { ServiceError } from "../errors.ts";

/** What SQLite says of it through Deno KV; nothing was written then. */
const LOCKED = /database is locked/i;

/** The same, of a disk without room (sqlite.org, SQLITE_FULL); nothing was written then either. */
const FULL = /database or disk is full/i;

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
      return await explained(call);
    } catch (error) {
      if (!(error instanceof Error && LOCKED.test(error.message))) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random())));
  }
  return await explained(call);
}

async function explained<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof Error && FULL.test(error.message))) throw error;
    throw new ServiceError(
      "out_of_space",
      "The disk that stores the database is full; nothing was changed.",
      {
        cause: error,
      },
    );
  }
}
