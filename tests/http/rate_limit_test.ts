import { assert, assertEquals } from "@std/assert";
import { RateLimiter } from "../../src/http/rate_limit.ts";

Deno.test("RateLimiter.take() lets as many through at once as fit a unit, then one after another", () => {
  const limiter = new RateLimiter({ requests: 4, perMs: 1000 });
  const at = (nowMs: number) => limiter.take("1.2.3.4", nowMs);
  assertEquals([at(0), at(0), at(0), at(0)], [0, 0, 0, 0]);
  assertEquals(at(0), 250);
  assertEquals(at(100), 150);
  assertEquals(at(250), 0);
  assertEquals(at(250), 250);
});

Deno.test("RateLimiter.take() never saves up more than a unit's requests", () => {
  const limiter = new RateLimiter({ requests: 2, perMs: 1000 });
  limiter.take("a", 0);
  assertEquals([1, 2, 3].map(() => limiter.take("a", 3_600_000) > 0), [false, false, true]);
});

Deno.test("RateLimiter.take() counts every IPv4 address for itself, and the network of an IPv6 address", () => {
  const limiter = new RateLimiter({ requests: 1, perMs: 1000 });
  const isFirst = (address: string) => limiter.take(address, 0) === 0;
  assertEquals([isFirst("1.2.3.4"), isFirst("1.2.3.5"), isFirst("1.2.3.4")], [true, true, false]);
  assertEquals(
    [isFirst("2001:db8:0:1::1"), isFirst("2001:db8:0:1:ffff::2"), isFirst("2001:db8::1:2:3:4:5")],
    [
      true,
      false,
      false,
    ],
  );
  assertEquals([isFirst("2001:db8:0:2::1"), isFirst("::1")], [true, true]);
});

Deno.test("RateLimiter remembers a bounded number of clients, those that asked last", () => {
  const limiter = new RateLimiter({ requests: 1, perMs: 3_600_000 });
  limiter.take("busy", 0);
  for (let n = 0; n < 100_000; n++) {
    limiter.take(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`, 1);
    if (n % 1000 === 0) limiter.take("busy", 1);
  }
  assertEquals(limiter.size, 50_000);
  assert(limiter.take("busy", 1) > 0, "whoever keeps asking must not be forgotten");
});
