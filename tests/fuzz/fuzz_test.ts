/**
 * Whatever is sent to any route that the server's own description has, the answer is one that the description allows, comes in
 * a bounded time, and is no failure of the server; and nothing is left, of memory and descriptors neither.
 *
 * `FUZZ_RUNS=N` sets the number of batches for each route, `FUZZ_ROUTE=text` picks routes, `FUZZ_SEED=N` repeats a run: the seed
 * is printed when one fails.
 */
import { assert } from "@std/assert";
import fc from "fast-check";
import { MODES } from "../../src/cli/settings.ts";
import { asJsonObject } from "../../src/collection/json.ts";
import { assertDescribed } from "../server/described.ts";
import { type DescribedRoute, describedRoutes } from "./described_routes.ts";
import { requestTo } from "./requests.ts";
import { Subject } from "./subject.ts";
import { exchange, type Outcome, type WireRequest } from "./wire.ts";

const RUNS = Number(Deno.env.get("FUZZ_RUNS") ?? 6);
const SEED = Number(Deno.env.get("FUZZ_SEED") ?? Math.floor(Math.random() * 2 ** 31));

/** A long run by hand: it counts, and goes on to the next route when one fails rather than look for the smallest case. */
const IS_LONG = Deno.env.has("FUZZ_RUNS");

/** Part of a method and a path, such as `PUT /asset/`. */
const ONLY = Deno.env.get("FUZZ_ROUTE") ?? "";

/** So many requests of a batch are sent at once. */
const AT_ONCE = 6;

/** What requests have made is deleted after so many batches. */
const RENEW_AFTER = 200;

/** What the second half of the requests may add: in the first, caches fill up and heaps find their size. */
const MOST_GROWTH_MIB = 64;

/** Of a server whose own parts are all well: what others did not answer, and to whom. */
const OTHERS_FAULT: Record<string, RegExp> = {
  "502": /^\/check_health\//,
  "504": /^\/check_health\//,
};

for (const mode of MODES) {
  Deno.test(`Fuzz: a server in mode ${mode} answers whatever comes as it describes, in time, and keeps nothing of it`, async (t) => {
    await using subject = await Subject.start(mode);
    const all = await describedRoutes(subject.url);
    const routes = all.filter(({ method, path }) => `${method} ${path}`.includes(ONLY));
    const before = await subject.holdings();
    Object.assign(tally, NOTHING_YET);
    const round = async (n: number) => {
      for (const route of routes) {
        await t.step(`${route.method} ${route.path}, round ${n}`, () => attack(route, n));
      }
      await subject.renew();
    };
    const attack = async (route: DescribedRoute, n: number) => {
      let batches = 0;
      const batch = fc.array(requestTo(route), { minLength: 1, maxLength: AT_ONCE });
      await fc.assert(
        fc.asyncProperty(batch, async (requests) => {
          if (++batches % RENEW_AFTER === 0) await subject.renew();
          await Promise.all(requests.map((request) => assertAnswered(subject, route, request)));
        }),
        { numRuns: Math.ceil(RUNS / 2), seed: SEED + n, endOnFailure: IS_LONG },
      );
    };
    await round(1);
    const warm = await subject.holdings();
    await round(2);
    const after = await subject.holdings();
    const grown = JSON.stringify({ before, warm, after });
    if (Deno.env.has("FUZZ_RUNS")) {
      await say(`${mode}: ${tally.requests} requests, the slowest ${slowest()}, ${grown}`);
    }
    assert(after.ownMib - warm.ownMib < MOST_GROWTH_MIB, grown);
    await subject.assertDescriptors(before.descriptors);
    await subject.assertSound();
  });
}

/** For a long run by hand. */
const NOTHING_YET = { requests: 0, slowestMs: 0, slowest: "" };
const tally = { ...NOTHING_YET };

function slowest(): string {
  return `${Math.round(tally.slowestMs)} ms, ${tally.slowest}`;
}

async function say(line: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
}

async function assertAnswered(subject: Subject, route: DescribedRoute, request: WireRequest): Promise<void> {
  const sent = named(subject.resolved(request));
  let telling: Promise<void> | undefined;
  const outcome = await exchange(subject.url, sent, () => {
    telling = subject.tellOf(sent, "no answer yet");
  }).catch(async (error) => {
    await subject.tellOf(sent, String(error));
    throw new Error(`${sent.method} ${sent.target.slice(0, 300)}`, { cause: error });
  });
  await telling;
  subject.note(outcome);
  tally.requests++;
  if (outcome.ms > tally.slowestMs) {
    Object.assign(tally, { slowestMs: outcome.ms, slowest: `${sent.method} ${sent.target.slice(0, 100)}` });
  }
  const { status, headers, text } = outcome;
  const what = `${sent.method} ${sent.target.slice(0, 300)} ${status} ${text.slice(0, 500)}`;
  // One that went away in the middle of its body need not be told anything.
  if (status === 0) return assert(request.framing === "cut", `no answer to ${what}`);
  if (status >= 500) return assert(OTHERS_FAULT[status]?.test(sent.target), what);
  assert(!/\n\s+at .*\.ts:\d/.test(text), `a stack trace: ${what}`);
  assert(!headers.has("X-Evil") && !headers.has("Set-Cookie"), `a header: ${what}`);
  // Of an answer to one that went away, not all may have come.
  if (isOfRuntime(outcome) || request.framing === "cut") return;
  assert(headers.has("X-Request-Id"), `no id: ${what}`);
  const method = methodOf(sent);
  if (sent.method === route.method && method !== undefined && isOn(route, sent.target)) {
    assertDescribed(subject.mode, method, sent.target, outcome);
  } else if (status >= 400 && sent.method !== "HEAD") assertEnvelope(text, what);
}

let lastId = 0;

/** With an id of its own, if it has none, by which it is found in the log. */
function named(request: WireRequest): WireRequest {
  if (request.headers.some(([name]) => name.toLowerCase() === "x-request-id")) return request;
  return { ...request, headers: [...request.headers, ["X-Request-Id", `fuzz-${SEED}-${++lastId}`]] };
}

/** Deno itself refuses heads that are malformed, with an empty 400. */
function isOfRuntime({ status, headers, text }: Outcome): boolean {
  return status === 400 && text === "" && !headers.has("X-Request-Id");
}

function assertEnvelope(text: string, what: string): void {
  const { success, error, message, code } = asJsonObject(JSON.parse(text));
  assert(
    success === false && error === message && typeof error === "string" && typeof code === "string",
    what,
  );
}

/** Whether a target is the route's own: a parameter may be empty, or lead elsewhere. */
function isOn({ path }: DescribedRoute, target: string): boolean {
  return new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^?]+")}(\\?|$)`, "s").test(target);
}

/** tus lets a POST be another method; `undefined` if that is none that it may be. */
function methodOf({ method, target, headers }: WireRequest): string | undefined {
  const [, name] = headers.find(([name]) => name.toLowerCase() === "x-http-method-override") ?? [];
  if (name === undefined || !target.startsWith("/uploads")) return method;
  const override = name.trim().toUpperCase();
  return override === method || ["PATCH", "DELETE", "HEAD"].includes(override) ? override : undefined;
}
