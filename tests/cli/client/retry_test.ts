import { assert, assertEquals, assertRejects } from "@std/assert";
import { Retries, StallGuard } from "../../../src/cli/client/retry.ts";
import { ClientError } from "../../../src/client/client_error.ts";

const signal = new AbortController().signal;

function lost(): ClientError {
  return new ClientError("It is away.", { status: 0, code: "unreachable", retryAfterSeconds: 0 });
}

Deno.test("Retries gives up after ten tries that get nowhere, and counts anew after progress", async () => {
  const retries = new Retries();
  for (let tries = 0; tries < 9; tries++) await retries.next(lost(), signal);
  retries.progressed();
  for (let tries = 0; tries < 9; tries++) await retries.next(lost(), signal);
  await assertRejects(() => retries.next(lost(), signal), ClientError, "It is away.");
});

Deno.test("Retries does not repeat what is refused, nor what is no error of the connection", async () => {
  const refused = new ClientError("No.", { status: 409, code: "offset_mismatch" });
  await assertRejects(() => new Retries().next(refused, signal), ClientError, "No.");
  await assertRejects(() => new Retries().next(new Error("disk"), signal), Error, "disk");
  const known = new ClientError("No.", { status: 409, code: "offset_mismatch", retryAfterSeconds: 0 });
  await new Retries(["offset_mismatch"]).next(known, signal);
});

Deno.test("Retries waits longer each time, and not after a signal", async () => {
  const retries = new Retries();
  const away = new ClientError("It is away.", { status: 0, code: "unreachable" });
  const startedAt = performance.now();
  await retries.next(away, signal);
  const first = performance.now() - startedAt;
  await retries.next(away, signal);
  const second = performance.now() - startedAt - first;
  assert(first >= 245 && second >= 495, `${first} ms, ${second} ms`);
  const ended = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => retries.next(away, ended), Error, "enough");
});

Deno.test("StallGuard ends what stands still, and only that", async () => {
  using guard = new StallGuard(500);
  for (let n = 0; n < 4; n++) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    guard.moved();
  }
  assertEquals(guard.signal.aborted, false);
  await new Promise((resolve) => guard.signal.addEventListener("abort", resolve));
  assertEquals([guard.signal.reason.code, guard.signal.reason.isPassing], ["no_answer", true]);
});
