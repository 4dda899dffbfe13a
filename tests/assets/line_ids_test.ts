import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { validate, version } from "uuid";
import { LineIds } from "../../src/assets/line_ids.ts";
import { firstOrdOf } from "../../src/collection/view/age_order.ts";
import { ServiceError } from "../../src/errors.ts";

const ONCE = { key: "k", fingerprint: () => "POST /assets/bulk" };
const LINE = new TextEncoder().encode('{"asset_name":"A"}');

Deno.test("LineIds are the same for the same line of a request and its repetitions, and for no other line", async () => {
  using kv = await Deno.openKv(":memory:");
  const [first, again] = [await LineIds.begin(kv, ONCE), await LineIds.begin(kv, ONCE)];
  const id = first.of(1, LINE);
  assertEquals([validate(id), version(id)], [true, 7]);
  assertEquals(again.of(1, LINE), id);
  assertNotEquals(first.of(2, LINE), id);
  assertNotEquals(first.of(1, new TextEncoder().encode('{"asset_name":"B"}')), id);
  const other = await LineIds.begin(kv, { ...ONCE, key: "other" });
  assertNotEquals(other.of(1, LINE), id);
  const error = await assertRejects(
    () => LineIds.begin(kv, { ...ONCE, fingerprint: () => "PUT /x" }),
    ServiceError,
  );
  assertEquals(error.code, "invalid_request");
});

Deno.test("LineIds rise with the number of the line, a few in each millisecond", async () => {
  using kv = await Deno.openKv(":memory:");
  const ids = await LineIds.begin(kv, ONCE);
  const all = Array.from({ length: 10_000 }, (_, n) => ids.of(n + 1, LINE));
  assertEquals(all.toSorted(), all);
  assertEquals(new Set(all).size, all.length);
  const perMs = Map.groupBy(all, firstOrdOf);
  assert([...perMs.values()].every((some) => some.length <= 16));
});
