/** What the thread of a remote KV's client can be told, and what it answers: everything that can be cloned. */

/** A key as it goes to the thread. */
export interface OrderKey {
  parts: Deno.KvKey;
  /** Where in the key the versionstamp of its commit goes: a symbol in the API, and symbols cannot be cloned. */
  stampAt?: number;
}

/** One write of a commit. */
export type Mutation =
  | { type: "set"; key: OrderKey; value: unknown; expireIn?: number }
  | { type: "delete"; key: OrderKey };

/** A page of a list. */
export interface ListOrder {
  kind: "list";
  selector: Deno.KvListSelector;
  limit: number;
  cursor?: string;
  reverse?: boolean;
}

/** A commit. */
export interface CommitOrder {
  kind: "commit";
  checks: Deno.AtomicCheck[];
  mutations: Mutation[];
}

/** What the thread can be told. */
export type Order =
  | { kind: "open"; url: string }
  | { kind: "getMany"; keys: Deno.KvKey[] }
  | ListOrder
  | CommitOrder
  /** Answered again and again: each time that a key has changed. */
  | { kind: "watch"; keys: Deno.KvKey[] };

/** The order of a kind. */
export type OrderOf<K extends Order["kind"]> = Extract<Order, { kind: K }>;

/** What it gives for an order. */
export interface Results {
  open: null;
  getMany: Deno.KvEntryMaybe<unknown>[];
  list: { entries: Deno.KvEntry<unknown>[]; cursor: string };
  commit: Deno.KvCommitResult | Deno.KvCommitError;
  watch: Deno.KvEntryMaybe<unknown>[];
}

/** Why an order failed. */
export interface Refusal {
  id: number;
  error: string;
  isTypeError: boolean;
}

/** An answer to the order with this number. */
export type Answer = { id: number; result: Results[keyof Results] } | Refusal;
