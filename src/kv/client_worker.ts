/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/**
 * The thread that runs Deno's client of one remote KV.
 *
 * That client retries a failed call without end, also after `close()`, and says so on stderr each time. Ending the thread is
 * what ends the client. Orders and answers are those of `orders.ts`; they are carried out at the same time, not in turn.
 */
import type { Answer, CommitOrder, ListOrder, Order, OrderKey, Results } from "./orders.ts";

let opened: Deno.Kv | undefined;

self.onmessage = async ({ data: { id, order } }: MessageEvent<{ id: number; order: Order }>) => {
  const answer = (message: Answer) => self.postMessage(message);
  try {
    if (order.kind === "watch") {
      for await (const result of kv().watch(order.keys)) answer({ id, result });
      answer({ id, error: "the watch ended", isTypeError: false });
    } else {
      answer({ id, result: await carryOut(order) });
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    answer({ id, error: message, isTypeError: error instanceof TypeError });
  }
};

async function carryOut(order: Exclude<Order, { kind: "watch" }>): Promise<Results[keyof Results]> {
  switch (order.kind) {
    case "open":
      opened = await Deno.openKv(order.url);
      return null;
    case "getMany":
      return await kv().getMany(order.keys);
    case "list":
      return await page(order);
    case "commit":
      return await commit(order);
  }
}

async function page({ selector, limit, cursor, reverse }: ListOrder): Promise<Results["list"]> {
  const list = kv().list<unknown>(selector, { limit, cursor, reverse, batchSize: limit });
  const entries: Deno.KvEntry<unknown>[] = [];
  for await (const entry of list) entries.push(entry);
  return { entries, cursor: list.cursor };
}

async function commit({ checks, mutations }: CommitOrder): Promise<Results["commit"]> {
  const operation = kv().atomic().check(...checks);
  for (const mutation of mutations) {
    const key = keyOf(mutation.key);
    if (mutation.type === "delete") operation.delete(key);
    else operation.set(key, mutation.value, { expireIn: mutation.expireIn });
  }
  return await operation.commit();
}

function keyOf({ parts, stampAt }: OrderKey): Deno.KvKey {
  return stampAt === undefined ? parts : parts.with(stampAt, kv().commitVersionstamp());
}

function kv(): Deno.Kv {
  if (!opened) throw new Error("The KV is not open");
  return opened;
}
