/** A configuration becomes a running server: opens what it stands on, serves one mode, drains, stops. */
import { getLogger } from "@logtape/logtape";
import { join } from "node:path";
import deno from "../deno.json" with { type: "json" };
import { loadTokens, reloadTokens, warnIfOpen } from "./access.ts";
import { describeAssetsDb } from "./assets/openapi.ts";
import { assetRoutes, type AssetRoutesOptions } from "./assets/routes.ts";
import { startSelfRegistration } from "./assets/self_registration.ts";
import { AssetService } from "./assets/service.ts";
import { startSweeper } from "./assets/sweeper.ts";
import { UploadLeases } from "./assets/tus/upload_leases.ts";
import { ResumableUploads } from "./assets/tus/resumable_uploads.ts";
import { type Config, kvFileOf } from "./cli/config.ts";
import { DataDir } from "./data_dir.ts";
import type { Collection } from "./collection/collection.ts";
import { compileFilter } from "./collection/filter.ts";
import type { App } from "./http/app.ts";
import type { AccessTokens } from "./http/auth.ts";
import type { HealthChecks } from "./http/health.ts";
import { TrustedProxies } from "./http/client_address.ts";
import type { Edge } from "./http/exchange.ts";
import { createFront } from "./http/front.ts";
import { type Certificate, Listener } from "./http/listener.ts";
import { RateLimiter } from "./http/rate_limit.ts";
import { openKv } from "./kv/open_kv.ts";
import { startScrub } from "./maintenance/scrub.ts";
import { FileStore } from "./objects/file_store.ts";
import type { S3Store } from "./objects/s3_store.ts";
import { Federation } from "./registry/federation.ts";
import { GuardedClient } from "./registry/guarded_client.ts";
import { probeOutcome } from "./registry/health.ts";
import { describeRegistry } from "./registry/openapi.ts";
import { Prober } from "./registry/prober.ts";
import { registryRoutes } from "./registry/routes.ts";
import { RegistryService } from "./registry/service.ts";
import { Monitor, type ServerLog } from "./observe/monitor.ts";
import { readCertificate } from "./tls.ts";

const log = getLogger(["assets-server"]);

/** How long a stop waits for what is in flight. */
const DRAIN_TIMEOUT_MS = 10_000;

/** How long a presigned URL can be used. */
const PRESIGNED_SECONDS = 15 * 60;

/** How long it may take to count all documents for a scrape; nobody waits for it. */
const COUNT_TIMEOUT_MS = 60_000;

/** A key that a health check reads; it need not be there. */
const HEALTH_KEY: Deno.KvKey = ["health"];

/** A server that listens. */
export interface RunningServer {
  /** `http://<host>:<port>`, as it listens. */
  url: string;
  port: number;
  /** The line for the terminal. */
  greeting: string;
  /** Reads the files again that may change while it runs. What is wrong with them is logged, and the old contents hold. */
  reload(): Promise<void>;
  /** Stops listening, lets what is in flight finish (10 s at most), closes everything. */
  stop(): Promise<void>;
}

/** What both modes need of a server. */
interface Shared {
  tokens: AccessTokens;
  monitor: Monitor;
  /** Since when the KV has been there, in milliseconds since the epoch; `Infinity` while it is away. */
  kvUpSince: () => number;
  /** Names this node among those of a shared KV. */
  node: string;
}

/**
 * How long a start waits for the index. It takes no time unless the index is new; should that take long, the server listens
 * all the same, answers what it can, and says that it is not ready.
 */
const INDEX_WAIT_MS = 5000;

/** What a mode adds to a server. */
interface ModeParts {
  app: App;
  /** Called once it listens; what it returns is called before `close`. */
  begin: () => Promise<() => Promise<void>>;
  /** Called before the KV closes, also when the server could not listen. */
  close: () => Promise<void>;
}

/**
 * Starts a server.
 *
 * @param serverLog where to log its requests; without it they are not logged
 * @throws {Error} with one line that says what is in the way: a data folder in use, a port that is taken, a KV that cannot be opened
 */
export async function startServer(config: Config, serverLog?: ServerLog): Promise<RunningServer> {
  const tokens = await loadTokens(config);
  const tls = await readCertificate(config);
  const monitor = new Monitor({ mode: config.mode, version: deno.version }, serverLog);
  const dataDir = await DataDir.open(config.dataDir, config.mode, kvFileOf(config));
  try {
    // Both modes may run on one folder, and each has a connection of its own.
    const node = `${config.mode}:${await dataDir.nodeId()}`;
    const { kv: opened, upSince } = await openKv(config.db, config.isDbShared, node);
    const kv = monitor.kv(opened);
    try {
      return await listen(config, { tokens, monitor, kvUpSince: upSince, node }, tls, dataDir, kv);
    } catch (error) {
      kv.close();
      throw error;
    }
  } catch (error) {
    await dataDir.close();
    throw error;
  }
}

async function listen(
  config: Config,
  shared: Shared,
  tls: Certificate | undefined,
  dataDir: DataDir,
  kv: Deno.Kv,
): Promise<RunningServer> {
  let publicUrl = config.publicUrl ?? "";
  const mode = config.mode === "registry"
    ? await registryMode(config, shared, kv)
    : await assetsDbMode(config, shared, dataDir, kv, () => publicUrl);
  const { tokens, monitor } = shared;
  const edge = makeEdge(config, () => publicUrl);
  const listener = new Listener(createFront(mode.app, edge, monitor.observer));
  const { port, url } = await orClose(mode, () => listener.listen({ ...config, tls }));
  publicUrl ||= `${tls ? "https" : "http"}://localhost:${port}`;
  warnIfOpen(tokens, config.host);
  const end = await orClose(mode, () => mode.begin());
  return {
    url,
    port,
    greeting: `assets-server ${deno.version}, mode ${config.mode}, listening on ${url}`,
    reload: () => reloadTokens(tokens, config),
    async stop() {
      await listener.stop(DRAIN_TIMEOUT_MS);
      await end();
      await mode.close();
      kv.close();
      await dataDir.close();
    },
  };
}

/** Does what a start needs; should it fail, nothing is left running. */
async function orClose<T>({ close }: Pick<ModeParts, "close">, step: () => T | Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    await close();
    throw error;
  }
}

async function assetsDbMode(
  config: Config,
  { tokens, monitor, kvUpSince, node }: Shared,
  dataDir: DataDir,
  kv: Deno.Kv,
  publicUrl: () => string,
): Promise<ModeParts> {
  const assetsDbId = await dataDir.assetsDbId(config.assetsDbId);
  // Without a bucket the modules that speak to S3 are not loaded: they take a tenth of the start.
  const s3 = config.s3 && (await import("./open_s3.ts")).openS3(config.s3);
  const store = monitor.store(s3 ?? new FileStore(join(config.dataDir, "objects")));
  const service = new AssetService({
    kv,
    isShared: config.isDbShared,
    kvUpSince,
    store,
    assetsDbId,
    publicUrl,
    viewPath: join(config.dataDir, "assets.view.sqlite"),
  });
  const close = () => service.close();
  await orClose({ close }, () => service.open(INDEX_WAIT_MS));
  const uploads = new ResumableUploads(service);
  monitor.countDocuments("assets_server_assets_stored", "Assets in the KV.", () => countAll(service.assets));
  const app = assetRoutes(service, uploads, {
    tokens,
    api: () => describeAssetsDb(deno.version),
    mode: "assets-db",
    metrics: () => monitor.metrics.text(),
    queryTimeoutMs: config.queryTimeoutMs,
    idleTimeoutMs: config.idleTimeoutMs,
    maxUploadBytes: config.maxUploadBytes,
    uploadLeases: config.isDbShared ? new UploadLeases({ kv, assetsDbId, node }) : undefined,
    presignDownload: presigner(config, s3),
    health: {
      about: () => ({ mode: config.mode, version: deno.version, assets_db_id: assetsDbId }),
      checks: {
        ...kvCheck(kv),
        index: () => checkIndex(service.assets),
        objects: (signal) => store.check(signal),
      },
    },
  });
  const begin = () => {
    service.announce();
    log.info("Assets DB {assetsDbId}, files in {store}", { assetsDbId, store: store.description });
    const sweeper = startSweeper(service.journal, store, uploads);
    const { metrics } = monitor;
    const scrub = config.scrubIntervalMs === undefined ? undefined : startScrub({
      kv,
      store,
      assetsDbId,
      metrics,
      intervalMs: config.scrubIntervalMs,
      isShared: config.isDbShared,
    });
    const registration = config.selfRegistration &&
      startSelfRegistration({ ...config.selfRegistration, assetsDbId, publicUrl: publicUrl() });
    return Promise.resolve(async () => {
      await registration?.stop();
      await scrub?.stop();
      await sweeper.stop();
    });
  };
  return { app, begin, close };
}

async function registryMode(config: Config, { tokens, monitor }: Shared, kv: Deno.Kv): Promise<ModeParts> {
  const { requireHealthy, noPrivateTargets, healthIntervalMs: intervalMs } = config;
  const client = new GuardedClient({ noPrivateTargets });
  const viewPath = join(config.dataDir, "registry.view.sqlite");
  const service = new RegistryService({ kv, isShared: config.isDbShared, viewPath, requireHealthy, client });
  const close = () => service.close();
  await orClose({ close }, () => service.open(INDEX_WAIT_MS));
  const { entries, records } = service;
  const probe = (url: string, signal: AbortSignal) => probeOutcome(url, { client, signal });
  const prober = new Prober({ kv, entries, records, probe, intervalMs });
  service.onChange = () => prober.wake();
  monitor.countDocuments("assets_server_registry_entries", "Assets DBs known.", () => countAll(entries));
  const federation = new Federation({
    service,
    client,
    timeoutMs: config.federationTimeoutMs,
    tokens: config.federationTokens,
  });
  const app = registryRoutes(service, {
    federation,
    tokens,
    api: () => describeRegistry(deno.version),
    mode: "registry",
    metrics: () => monitor.metrics.text(),
    queryTimeoutMs: config.queryTimeoutMs,
    health: {
      about: () => ({ mode: config.mode, version: deno.version }),
      checks: { ...kvCheck(kv), index: () => checkIndex(service.entries) },
    },
  });
  const begin = () => {
    prober.start();
    return Promise.resolve(() => prober.stop());
  };
  return { app, begin, close };
}

function makeEdge({ access, idleTimeoutMs }: Config, publicUrl: () => string): Edge {
  const { origins, rateLimit, trustedProxies } = access;
  return {
    origins,
    limiter: rateLimit && new RateLimiter(rateLimit),
    proxies: trustedProxies.length > 0 ? new TrustedProxies(trustedProxies) : undefined,
    idleTimeoutMs,
    publicHost: () => new URL(publicUrl()).host,
  };
}

async function countAll(documents: Collection): Promise<number> {
  return await documents.query({ filter: compileFilter({}), timeoutMs: COUNT_TIMEOUT_MS }).count();
}

function kvCheck(kv: Deno.Kv): HealthChecks["checks"] {
  return { kv: async () => void await kv.get(HEALTH_KEY) };
}

/** Fails while the index is being built: queries cannot be answered yet. */
function checkIndex({ view }: Collection): Promise<void> {
  const { status } = view;
  if (status.state === "current") return Promise.resolve();
  return Promise.reject(new Error(`the index is being built: ${status.documents} documents so far`));
}

/** Makes presigned URLs under which a browser gets the right name and type, if downloads are to be redirected. */
function presigner({ s3Redirect }: Config, s3: S3Store | undefined): AssetRoutesOptions["presignDownload"] {
  if (!s3 || !s3Redirect.isOn) return undefined;
  return (objectKey, { contentType, contentDisposition }) =>
    s3.presignGet(objectKey, {
      expiresSeconds: PRESIGNED_SECONDS,
      responseContentType: contentType,
      responseContentDisposition: contentDisposition,
      endpoint: s3Redirect.publicEndpoint,
    });
}
