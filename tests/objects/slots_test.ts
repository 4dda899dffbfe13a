import { assertEquals, assertRejects } from "@std/assert";
import { Slots } from "../../src/objects/slots.ts";

const never = new AbortController().signal;

Deno.test("Slots lets as many in as there are, and the others in the order in which they came", async () => {
  const slots = new Slots(2);
  const log: string[] = [];
  const enter = (name: string) => slots.take(never).then(() => log.push(name));
  await Promise.all([enter("a"), enter("b")]);
  const waiting = [enter("c"), enter("d")];
  await Promise.resolve();
  assertEquals(log, ["a", "b"]);
  slots.release();
  await waiting[0];
  assertEquals(log, ["a", "b", "c"]);
  slots.release();
  await waiting[1];
  assertEquals(log, ["a", "b", "c", "d"]);
});

Deno.test("Slots.take() ends with the reason of its signal, and takes nothing then", async () => {
  const slots = new Slots(1);
  await slots.take(never);
  const stop = new AbortController();
  const waiting = slots.take(stop.signal);
  stop.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
  await assertRejects(() => slots.take(stop.signal), Error, "enough");
  slots.release();
  await slots.take(never);
});
