/** What the maintenance commands work on: the data of one server, opened to be read beside it, or held alone. */
import { join } from "node:path";
import { type Config, ConfigError, kvFileOf } from "../cli/config.ts";
import { DataDir, DataDirInUse, keptAssetsDbId } from "../data_dir.ts";
import { openKv } from "../kv/open_kv.ts";
import { FileStore } from "../objects/file_store.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import { openS3 } from "../open_s3.ts";
import { keptBy, type KeptCollection } from "./kept.ts";
import { KvCopies } from "./kv_copies.ts";

/** The data of one server. */
export interface Site extends AsyncDisposable {
  readonly config: Config;
  readonly collection: KeptCollection;
  /** Where files are; none of a registry. */
  readonly store: ObjectStore | undefined;
  /** Where a repair puts things aside. */
  readonly aside: ObjectStore;
  readonly assetsDbId: string | undefined;
  readonly viewPath: string;
  /** The KV, or a copy of it: nothing must be written unless the site is held. */
  readonly kv: Deno.Kv;
  /** Makes a folder that is held that of this Assets DB. */
  keepAssetsDbId?(): Promise<void>;
  /** The KV as it is now. What was read from `kv` before may have changed meanwhile; `kv` is this one from then on. */
  fresh(): Promise<Deno.Kv>;
}

/**
 * Opens what is there for reading, also while a server works with it.
 *
 * @throws {ConfigError} if there is nothing
 */
export async function readSite(config: Config): Promise<Site> {
  await checkThere(config);
  const parts = partsOf(config, await keptAssetsDbId(config.dataDir));
  if (config.isDbShared) {
    const { kv } = await openKv(config.db, config.isDbShared, maintenanceNode());
    return siteOf(parts, { kv: () => kv, fresh: () => Promise.resolve(kv), close: () => kv.close() });
  }
  const copies = await KvCopies.open(config.db, config.dataDir).catch((error) => {
    throw new Error(`The KV cannot be copied into ${config.dataDir} (--data-dir): ${messageOf(error)}`);
  });
  let kv = await copies.next();
  return siteOf(parts, {
    kv: () => kv,
    fresh: async () => kv = await copies.next(),
    close: () => copies[Symbol.asyncDispose](),
  });
}

/**
 * Takes what is there from every server, to change it.
 *
 * @throws {ConfigError} if there is nothing
 * @throws {Error} if a server has it
 */
export async function holdSite(config: Config): Promise<Site> {
  await checkThere(config);
  return await takeSite(config, await keptAssetsDbId(config.dataDir));
}

/**
 * Takes the place of data to come, making the folder if need be.
 *
 * @param assetsDbId whose data it is going to be
 * @throws {Error} if a server has it
 */
export async function takeSite(config: Config, assetsDbId: string | undefined): Promise<Site> {
  refuseMemory(config);
  const dataDir = await DataDir.open(config.dataDir, config.mode, kvFileOf(config)).catch((error) => {
    throw error instanceof DataDirInUse ? new Error(`${error.message}. Stop the server first`) : error;
  });
  try {
    const parts = partsOf(config, assetsDbId);
    const { kv } = await openKv(config.db, config.isDbShared, maintenanceNode());
    return siteOf(parts, {
      kv: () => kv,
      fresh: () => Promise.resolve(kv),
      async keepId() {
        if (assetsDbId !== undefined) await dataDir.keepAssetsDbId(assetsDbId);
      },
      async close() {
        kv.close();
        await dataDir.close();
      },
    });
  } catch (error) {
    await dataDir.close();
    throw error;
  }
}

/** Names this process among the nodes of a shared KV. */
function maintenanceNode(): string {
  return `maintenance:${crypto.randomUUID()}`;
}

type Parts = Pick<Site, "config" | "collection" | "store" | "aside" | "assetsDbId" | "viewPath">;

function partsOf(config: Config, keptId: string | undefined): Parts {
  const collection = keptBy(config.mode);
  const store = config.s3 ? openS3(config.s3) : new FileStore(join(config.dataDir, "objects"));
  return {
    config,
    collection,
    store: config.mode === "registry" ? undefined : store,
    aside: store,
    assetsDbId: config.assetsDbId ?? keptId,
    viewPath: join(config.dataDir, collection.viewFile),
  };
}

function siteOf(
  parts: Parts,
  { kv, fresh, keepId, close }: {
    kv: () => Deno.Kv;
    fresh: () => Promise<Deno.Kv>;
    keepId?: () => Promise<void>;
    close: () => void | Promise<void>;
  },
): Site {
  return {
    ...parts,
    get kv() {
      return kv();
    },
    fresh,
    keepAssetsDbId: keepId,
    async [Symbol.asyncDispose]() {
      await close();
    },
  };
}

/** A path that is wrong must not become a new, empty server that is in best order. */
async function checkThere(config: Config): Promise<void> {
  refuseMemory(config);
  if (!await isThere(config.dataDir, "The folder", "--data-dir")) {
    throw new ConfigError(`There is no folder ${config.dataDir} (--data-dir)`);
  }
  if (!config.isDbShared && !await isThere(config.db, "The KV", "--db, --data-dir, --mode")) {
    throw new ConfigError(`There is no KV at ${config.db} (--db, --data-dir, --mode)`);
  }
}

function refuseMemory({ db }: Config): void {
  if (db === ":memory:") throw new ConfigError("--db :memory: is nothing that another process could read");
}

async function isThere(path: string, what: string, flags: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new Error(`${what} ${path} cannot be read (${flags}): ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
