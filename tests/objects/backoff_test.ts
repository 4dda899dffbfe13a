import { assertEquals, assertRejects } from "@std/assert";
import { parseRetryAfterMs, retryDelayMs, systemClock } from "../../src/objects/backoff.ts";

Deno.test("retryDelayMs() doubles its bound up to a cap and draws from all of it", () => {
  const bounds = [1, 2, 3, 4, 5, 6, 7].map((attempt) => retryDelayMs(attempt, () => 1));
  assertEquals(bounds, [200, 400, 800, 1600, 3200, 5000, 5000]);
  assertEquals(retryDelayMs(3, () => 0), 0);
  assertEquals(retryDelayMs(3, () => 0.25), 200);
});

Deno.test("retryDelayMs() waits at least as long as the server asks, but not for ever", () => {
  assertEquals(retryDelayMs(1, () => 0, 3_000), 3_000);
  assertEquals(retryDelayMs(7, () => 1, 3_000), 5_000);
  assertEquals(retryDelayMs(1, () => 0, 20_001), undefined);
});

Deno.test("parseRetryAfterMs() reads seconds and HTTP dates", () => {
  const nowMs = Date.UTC(2026, 0, 1, 12, 0, 0);
  assertEquals(parseRetryAfterMs("7", nowMs), 7_000);
  assertEquals(parseRetryAfterMs(" 0 ", nowMs), 0);
  assertEquals(parseRetryAfterMs("Thu, 01 Jan 2026 12:00:09 GMT", nowMs), 9_000);
  assertEquals(parseRetryAfterMs("Thu, 01 Jan 2026 11:00:00 GMT", nowMs), 0);
  for (const nonsense of [null, "", "soon", "-3", "1.5", "99999999999"]) {
    assertEquals(parseRetryAfterMs(nonsense, nowMs), undefined);
  }
});

Deno.test("systemClock.sleep() ends with the signal's reason", async () => {
  const abort = new AbortController();
  const sleeping = systemClock.sleep(60_000, abort.signal);
  abort.abort(new Error("enough"));
  await assertRejects(() => sleeping, Error, "enough");
  await assertRejects(() => systemClock.sleep(60_000, abort.signal), Error, "enough");
});
