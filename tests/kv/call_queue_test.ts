import { assert, assertEquals, assertRejects } from "@std/assert";
import { ServiceError } from "../../src/errors.ts";
import { CallQueue } from "../../src/kv/call_queue.ts";

/** A queue with 64 calls under way. */
async function full(maxWaitMs?: number): Promise<CallQueue> {
  const queue = new CallQueue({ maxWaitMs });
  for (let n = 0; n < 64; n++) await queue.enter();
  return queue;
}

/** Whether it has happened by now. */
async function hasHappened(promise: Promise<unknown>): Promise<boolean> {
  let has = false;
  void promise.then(() => has = true, () => {});
  await new Promise((resolve) => setTimeout(resolve));
  return has;
}

Deno.test("CallQueue.enter() lets 64 calls in, and one more for each that has ended, in the order of their coming", async () => {
  const queue = await full();
  const [first, second] = [queue.enter(), queue.enter()];
  assertEquals([await hasHappened(first), await hasHappened(second)], [false, false]);
  queue.leave();
  assertEquals([await hasHappened(first), await hasHappened(second)], [true, false]);
  queue.leave();
  await second;
});

Deno.test("CallQueue.enter() is refused when its turn does not come in time, and says that nothing happened", async () => {
  const queue = await full(30);
  const startedAt = performance.now();
  const error = await assertRejects(() => queue.enter(), ServiceError);
  assertEquals([error.code, error.details], ["unavailable", { may_have_happened: false }]);
  assert(performance.now() - startedAt >= 25);
  // Who was refused has left no place taken.
  queue.leave();
  await queue.enter();
});

Deno.test("CallQueue.refuseWaiting() refuses who waits, and no call under way", async () => {
  const queue = await full();
  const waiting = queue.enter();
  queue.refuseWaiting(new Error("the KV is away"));
  await assertRejects(() => waiting, Error, "the KV is away");
  queue.leave();
  await queue.enter();
});
