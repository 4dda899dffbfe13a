/** Every operation, while toxiproxy spoils the network between a node and the shared KV. */
import { type DenokvService, startDenokv } from "../../scripts/services/denokv.ts";
import { startToxiproxy, type Toxic, type Toxiproxy } from "../../scripts/services/toxiproxy.ts";
import { present } from "../present.ts";
import { startTestServer } from "../server/harness.ts";
import { FaultProxy } from "./fault_proxy.ts";
import {
  assertHeard,
  assertNothingLeft,
  assertRecovers,
  type Deeds,
  deedsOn,
  doAll,
  WELL,
} from "./toxic_suite.ts";

let toxiproxy: Toxiproxy | undefined;
let denokv: DenokvService | undefined;

Deno.test.beforeAll(async () => {
  [toxiproxy, denokv] = await Promise.all([startToxiproxy(), startDenokv()]);
  Deno.env.set("DENO_KV_ACCESS_TOKEN", denokv.token);
});
Deno.test.afterAll(async () => {
  await toxiproxy?.[Symbol.asyncDispose]();
  await denokv?.stop();
});

/** A node has its own view and the store: these need no KV (section 7 of the contract). */
const WITHOUT_KV = new Set<keyof Deeds>(["download", "range", "get", "query"]);

/** A write is refused within 5 s (section 7); the machine that tests may be slow. */
const WRITE_MS = 8_000;

const FAULTS: { what: string; toxics: Toxic[] | "cut"; fails: boolean; mostMs: number }[] = [
  {
    what: "resets every connection",
    toxics: [{ type: "reset_peer", stream: "downstream", attributes: { timeout: 0 } }],
    fails: true,
    mostMs: WRITE_MS,
  },
  {
    what: "breaks off in the middle of its answers",
    toxics: [{ type: "limit_data", stream: "downstream", attributes: { bytes: 100 } }],
    fails: true,
    mostMs: WRITE_MS,
  },
  {
    what: "breaks off in the middle of what it is sent",
    toxics: [{ type: "limit_data", stream: "upstream", attributes: { bytes: 300 } }],
    fails: true,
    mostMs: WRITE_MS,
  },
  { what: "takes no connections", toxics: "cut", fails: true, mostMs: WRITE_MS },
  {
    what: "takes everything and says nothing",
    toxics: [{ type: "timeout", stream: "downstream", attributes: { timeout: 0 } }],
    fails: true,
    mostMs: WRITE_MS,
  },
  {
    what: "is late and cuts its answers into pieces",
    toxics: [
      { type: "latency", stream: "downstream", attributes: { latency: 100, jitter: 30 } },
      {
        type: "slicer",
        stream: "downstream",
        attributes: { average_size: 50, size_variation: 20, delay: 10 },
      },
    ],
    fails: false,
    mostMs: 20_000,
  },
  {
    what: "is at the end of a thin line",
    toxics: [
      { type: "bandwidth", stream: "upstream", attributes: { rate: 50 } },
      { type: "bandwidth", stream: "downstream", attributes: { rate: 50 } },
    ],
    fails: false,
    mostMs: 20_000,
  },
];

for (const { what, toxics, fails, mostMs } of FAULTS) {
  Deno.test(`while the KV ${what}, reads go on, writes end clearly and in time, and nothing is left of them`, async () => {
    const proxy = await present(toxiproxy).proxy(present(denokv).url);
    // An Assets DB of its own in the shared KV.
    const settings = { db: present(denokv).url, assetsDbId: crypto.randomUUID() };
    await using server = await startTestServer({ ...settings, db: proxy.url });
    const round = settings.assetsDbId;
    const all = await deedsOn(server, round);
    if (toxics === "cut") await proxy.cut();
    else await proxy.set(toxics);
    const heard = await doAll(all, round);
    assertHeard(heard, (deed) => [WELL[deed], ...fails && !WITHOUT_KV.has(deed) ? [503] : []], mostMs);
    if (toxics === "cut") await proxy.restore();
    else await proxy.set([]);
    await assertRecovers(server, all, `${round}-b`);
    await assertNothingLeft(server, settings);
  });
}

Deno.test("while another server answers 500 in the place of the KV, reads go on, writes end clearly and in time, and nothing is left of them", async () => {
  await using proxy = new FaultProxy(new URL(present(denokv).url));
  const settings = { db: present(denokv).url, assetsDbId: crypto.randomUUID() };
  await using server = await startTestServer({ ...settings, db: proxy.url });
  const round = settings.assetsDbId;
  const all = await deedsOn(server, round);
  proxy.set({ kind: "status", status: 500, code: "InternalError" });
  const allowed = (deed: keyof Deeds) => [WELL[deed], ...WITHOUT_KV.has(deed) ? [] : [503]];
  assertHeard(await doAll(all, round), allowed, WRITE_MS);
  proxy.set({ kind: "none" });
  await assertRecovers(server, all, `${round}-b`);
  await assertNothingLeft(server, settings);
});
