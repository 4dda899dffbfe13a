/**
 * Inserts many documents in as few commits as Deno KV allows.
 *
 * A commit is refused whole where one unique value of it is taken. So it is taken apart then: whatever holds a taken value is
 * refused for itself, and the rest is tried again.
 */
import { ServiceError } from "../errors.ts";
import { piecesOf } from "./large_value.ts";
import type { Change, Truth, UniqueValue } from "./truth.ts";

/** Deno KV's limits of one commit (`ext/kv/config.rs`), with room for the log entry and the framing of values. */
const MAX_CHECKS = 100;
/** KV Connect servers take 10 (denokv 0.14); one of them is the fence (`kv/connection.ts`). */
const MAX_CHECKS_SHARED = 9;
const MAX_MUTATIONS = 900;
const MAX_COMMIT_BYTES = 700 * 1024;
const MAX_KEY_BYTES = 70 * 1024;

/** What stands in a key beside the id or the value: the names of the collection and the field, the framing. */
const KEY_OVERHEAD_BYTES = 96;

/** The most bytes that one UTF-16 unit takes in UTF-8; long values stand in their keys as a hash. */
const BYTES_PER_UNIT = 3;
const MAX_VALUE_BYTES = 1024;

/** How often a commit is tried that was refused although no value is taken. */
const MAX_TRIES = 8;

/** A new document: its id was made for it. */
export type Insertion = Change & { next: NonNullable<Change["next"]>; isNewId: true };

/** What became of some insertions. */
export interface InsertedGroup {
  /** Those that are there now, of the commit with this versionstamp. Those that were there before are in neither list. */
  inserted: Insertion[];
  versionstamp: string;
  /** Those that are not, with the value of theirs that is taken. */
  refused: Map<Insertion, UniqueValue>;
}

/** Splits insertions, in their order, into groups that fit into one commit each. No two of a group share a unique value. */
export function* commitGroups(
  insertions: Iterable<Insertion>,
  { isShared = false } = {},
): Generator<Insertion[]> {
  const maxChecks = isShared ? MAX_CHECKS_SHARED : MAX_CHECKS;
  let group = new CommitGroup(maxChecks);
  for (const insertion of insertions) {
    if (!group.takes(insertion)) {
      yield group.insertions;
      group = new CommitGroup(maxChecks);
    }
    group.add(insertion);
  }
  if (group.insertions.length > 0) yield group.insertions;
}

/**
 * Inserts a group that `commitGroups` made.
 *
 * @throws {ServiceError} `unavailable` when others change the same values again and again
 */
export async function insertGroup(truth: Truth, group: readonly Insertion[]): Promise<InsertedGroup> {
  const refused: InsertedGroup["refused"] = new Map();
  let left = [...group];
  for (let tries = 0; left.length > 0;) {
    const done = await truth.commit(left);
    if (done) return { inserted: left, versionstamp: done.versionstamp, refused };
    const there = await truth.idsThere(left.filter(({ mayBeThere }) => mayBeThere).map(({ id }) => id));
    left = left.filter(({ id }) => !there.has(id));
    const unique = left.flatMap((insertion) => insertion.next.unique.map((value) => ({ insertion, value })));
    const holders = await truth.idsOf(unique.map(({ value }) => value));
    for (const [n, { insertion, value }] of unique.entries()) {
      const holder = holders[n];
      if (holder === undefined) continue;
      if (holder === insertion.id && insertion.mayBeThere) continue;
      if (holder === insertion.id) return await alreadyThere(truth, left, refused);
      if (!refused.has(insertion)) refused.set(insertion, value);
    }
    const rest = left.filter((insertion) => !refused.has(insertion));
    // Where nothing is taken any more, somebody held a value for a moment.
    if (rest.length === left.length && there.size === 0 && ++tries === MAX_TRIES) {
      throw new ServiceError("unavailable", "Too many changes at once; try again.");
    }
    left = rest;
  }
  return { inserted: [], versionstamp: "", refused };
}

/** A client of a KV across the network sends a commit again whose answer was lost: the first one had come through. */
async function alreadyThere(
  truth: Truth,
  inserted: Insertion[],
  refused: InsertedGroup["refused"],
): Promise<InsertedGroup> {
  const found = await truth.get(inserted[0]?.id ?? "");
  return { inserted, versionstamp: found?.versionstamp ?? "", refused };
}

/** Insertions that fit into one commit. */
class CommitGroup {
  readonly insertions: Insertion[] = [];
  readonly #maxChecks: number;
  readonly #values = new Set<string>();
  #checks = 0;
  #mutations = 0;
  #keyBytes = 0;
  #bytes = 0;

  constructor(maxChecks: number) {
    this.#maxChecks = maxChecks;
  }

  takes(insertion: Insertion): boolean {
    if (this.insertions.length === 0) return true;
    const { next } = insertion;
    const cost = costOf(insertion);
    return this.#checks + cost.checks <= this.#maxChecks &&
      this.#mutations + cost.mutations <= MAX_MUTATIONS &&
      this.#keyBytes + cost.keyBytes <= MAX_KEY_BYTES && this.#bytes + cost.bytes <= MAX_COMMIT_BYTES &&
      !next.unique.some((value) => this.#values.has(nameOf(value)));
  }

  add(insertion: Insertion): void {
    const cost = costOf(insertion);
    this.#checks += cost.checks;
    this.#mutations += cost.mutations;
    this.#keyBytes += cost.keyBytes;
    this.#bytes += cost.bytes;
    for (const value of insertion.next.unique) this.#values.add(nameOf(value));
    this.insertions.push(insertion);
  }
}

function costOf({ id, next: { bytes, unique }, mayBeThere }: Insertion) {
  const documentKeys = 1 + piecesOf(bytes);
  let keyBytes = documentKeys * (KEY_OVERHEAD_BYTES + id.length);
  let checks = mayBeThere ? 1 : 0;
  for (const { value } of unique) {
    // The key is in the check and in the mutation.
    keyBytes += 2 * (KEY_OVERHEAD_BYTES + Math.min(BYTES_PER_UNIT * value.length, MAX_VALUE_BYTES));
    if (value !== id) checks++;
  }
  return {
    checks,
    mutations: documentKeys + unique.length,
    keyBytes,
    bytes: bytes.length + keyBytes + (1 + unique.length) * KEY_OVERHEAD_BYTES,
  };
}

function nameOf({ field, value }: UniqueValue): string {
  return `${field}\u0000${value}`;
}
