/** `POST /assets/bulk` with an `Idempotency-Key` on a real KV server, which takes few checks in a commit. */
import { assertEquals } from "@std/assert";
import { startDenokv } from "../../scripts/services/denokv.ts";
import { assertStatus, send } from "../server/client.ts";
import { startTestServer } from "../server/harness.ts";
import { countOf } from "./global_nodes.ts";

const LINES = 600;

/** With a URI, with an id that the client chose, with neither. */
function line(n: number): string {
  const name = { asset_name: `asset ${n}` };
  if (n % 3 === 0) return JSON.stringify({ ...name, asset_version: { version: "1", tag: "a" } });
  if (n % 3 === 1) {
    return JSON.stringify({ ...name, asset_id: `id-${n}`, asset_public_url: "https://example.com/" });
  }
  return JSON.stringify(name);
}

Deno.test("A bulk creation that is sent twice at once, then once more with its key makes each asset once, on a KV server", async () => {
  await using denokv = await startDenokv();
  Deno.env.set("DENO_KV_ACCESS_TOKEN", denokv.token);
  await using server = await startTestServer({ db: denokv.url });
  const body = Array.from({ length: LINES }, (_, n) => line(n)).join("\n");
  const headers = { "Content-Type": "application/x-ndjson", "Idempotency-Key": "the key" };
  const ask = async () =>
    assertStatus(await send(server, "/assets/bulk", { method: "POST", body, headers }), 200).text;
  const [first, second] = await Promise.all([ask(), ask()]);
  assertEquals(second, first);
  assertEquals(await ask(), first);
  const refused = first.trimEnd().split("\n").filter((answer) => !JSON.parse(answer).success);
  assertEquals(refused, []);
  assertEquals(await countOf(server, {}), LINES);
});
