/** Every operation, while toxiproxy spoils the network between the server and S3: on Ceph, which lists what is unfinished. */
import { startCeph } from "../../scripts/services/ceph.ts";
import { startToxiproxy, type Toxic, type Toxiproxy } from "../../scripts/services/toxiproxy.ts";
import { present } from "../present.ts";
import { startTestServer } from "../server/harness.ts";
import { FaultProxy } from "./fault_proxy.ts";
import { settingsFor, withService } from "./s3_service_suite.ts";
import {
  assertHeard,
  assertNothingLeft,
  assertRecovers,
  type Deeds,
  deedsOn,
  doAll,
  type Heard,
  WELL,
} from "./toxic_suite.ts";

const ceph = withService(startCeph);
let toxiproxy: Toxiproxy | undefined;

Deno.test.beforeAll(async () => {
  toxiproxy = await startToxiproxy();
});
Deno.test.afterAll(async () => {
  await toxiproxy?.[Symbol.asyncDispose]();
});

/** What S3 has no part in is well, whatever happens to it. A document goes before its file, so its deletion is, too. */
const WITHOUT_S3 = new Set<keyof Deeds>(["create", "bulk", "update", "get", "query"]);

/** Failures of what is behind the server (section 2 of the contract). */
const FAILURES: Heard["outcome"][] = [502, 503, 504];

interface Fault {
  what: string;
  toxics: Toxic[] | "cut";
  /** Whether what needs S3 may fail, or only takes its time. */
  fails: boolean;
  mostMs: number;
  /** All, unless these are named: what S3 may take half a minute for is bounded elsewhere. */
  only?: (keyof Deeds)[];
}

const FAULTS: Fault[] = [
  {
    what: "resets every connection",
    toxics: [{ type: "reset_peer", stream: "downstream", attributes: { timeout: 0 } }],
    fails: true,
    mostMs: 25_000,
  },
  {
    what: "breaks off in the middle of its answers",
    toxics: [{ type: "limit_data", stream: "downstream", attributes: { bytes: 150 } }],
    fails: true,
    mostMs: 25_000,
  },
  {
    what: "breaks off in the middle of what it is sent",
    toxics: [{ type: "limit_data", stream: "upstream", attributes: { bytes: 1_000_000 } }],
    fails: true,
    mostMs: 25_000,
  },
  { what: "takes no connections", toxics: "cut", fails: true, mostMs: 15_000 },
  {
    what: "takes everything and says nothing",
    toxics: [{ type: "timeout", stream: "downstream", attributes: { timeout: 0 } }],
    fails: true,
    mostMs: 25_000,
    only: ["download", "range", "remove", "get", "query", "update", "create"],
  },
  {
    what: "is late, cuts its answers into pieces, and closes slowly",
    toxics: [
      { type: "latency", stream: "downstream", attributes: { latency: 150, jitter: 50 } },
      {
        type: "slicer",
        stream: "downstream",
        attributes: { average_size: 3000, size_variation: 1000, delay: 10 },
      },
      { type: "slow_close", stream: "downstream", attributes: { delay: 500 } },
    ],
    fails: false,
    mostMs: 40_000,
  },
  {
    what: "is at the end of a thin line",
    toxics: [
      { type: "bandwidth", stream: "upstream", attributes: { rate: 8000 } },
      { type: "bandwidth", stream: "downstream", attributes: { rate: 8000 } },
    ],
    fails: false,
    mostMs: 40_000,
  },
];

for (const { what, toxics, fails, mostMs, only } of FAULTS) {
  Deno.test(`while S3 ${what}, every operation ends clearly and in time, and nothing is left of it`, async () => {
    const settings = settingsFor(ceph);
    const proxy = await present(toxiproxy).proxy(ceph.service().endpoint);
    await using server = await startTestServer({ ...settings, s3Endpoint: proxy.url });
    const all = await deedsOn(server, "a");
    if (toxics === "cut") await proxy.cut();
    else await proxy.set(toxics);
    const heard = await doAll(all, "a", only);
    assertHeard(heard, (deed) => [
      WELL[deed],
      ...fails && !WITHOUT_S3.has(deed) ? [...FAILURES, "broken" as const] : [],
    ], mostMs);
    if (toxics === "cut") await proxy.restore();
    else await proxy.set([]);
    await assertRecovers(server, all, "b");
    await assertNothingLeft(server, settings);
  });
}

Deno.test("while S3 answers 500 to everything, every operation ends clearly and in time, and nothing is left of it", async () => {
  const settings = settingsFor(ceph);
  await using proxy = new FaultProxy(new URL(ceph.service().endpoint));
  await using server = await startTestServer({ ...settings, s3Endpoint: proxy.url });
  const all = await deedsOn(server, "a");
  proxy.set({ kind: "status", status: 500, code: "InternalError" });
  const allowed = (deed: keyof Deeds) => [WELL[deed], ...WITHOUT_S3.has(deed) ? [] : FAILURES];
  assertHeard(await doAll(all, "a"), allowed, 25_000);
  proxy.set({ kind: "none" });
  await assertRecovers(server, all, "b");
  await assertNothingLeft(server, settings);
});
