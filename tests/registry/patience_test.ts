import { assertEquals } from "@std/assert";
import { Patience } from "../../src/registry/patience.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("Patience runs out over several steps together, and not between them", async () => {
  const abort = new AbortController();
  const patience = new Patience(400, abort);
  await patience.spend(() => pause(150));
  await pause(450);
  assertEquals(patience.isOut, false);
  await patience.spend(() => pause(300));
  assertEquals([patience.isOut, abort.signal.aborted], [true, true]);
});

Deno.test("Documents and bytes give patience back, up to what there was", async () => {
  const abort = new AbortController();
  const patience = new Patience(500, abort);
  for (let n = 0; n < 5; n++) {
    await patience.spend(() => pause(100));
    patience.earn(1000, 0);
    await patience.spend(() => pause(100));
    patience.earn(0, 10 * 1024 * 1024);
  }
  assertEquals(patience.isOut, false);
  await patience.spend(() => pause(600));
  assertEquals(patience.isOut, true);
});
