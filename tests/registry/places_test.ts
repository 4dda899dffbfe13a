import { assertEquals, assertRejects } from "@std/assert";
import { Places } from "../../src/registry/places.ts";

const never = new AbortController().signal;

Deno.test("Places are taken all at once, first come first served", async () => {
  const places = new Places(10);
  const order: string[] = [];
  await places.take(6, never);
  const big = places.take(8, never).then(() => order.push("big"));
  const small = places.take(1, never).then(() => order.push("small"));
  await Promise.resolve();
  assertEquals(order, []);
  places.release(6);
  await Promise.all([big, small]);
  assertEquals(order, ["big", "small"]);
});

Deno.test("Who gives up makes way for those behind", async () => {
  const places = new Places(10);
  await places.take(5, never);
  const abort = new AbortController();
  const big = places.take(8, abort.signal);
  const small = places.take(5, never);
  abort.abort(new Error("gave up"));
  await assertRejects(() => big, Error, "gave up");
  await small;
});
