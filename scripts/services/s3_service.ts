/** A real S3 server under a test's control, whatever its make. */

import { S3Client } from "../../src/objects/s3_client.ts";
import { EMPTY_SHA256, S3Signer } from "../../src/objects/s3_signer.ts";
import type { Running, ServiceFolder } from "./processes.ts";

/** How to reach the server. */
export interface S3Access {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** The server and what can happen to it. */
export class S3Service implements S3Access, AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly #folder: ServiceFolder;
  readonly #startGateway: () => Promise<Running>;
  #gateway: Running;

  /** `startGateway` starts the process that speaks S3, again and again, and resolves when it answers. */
  private constructor(
    access: S3Access,
    folder: ServiceFolder,
    startGateway: () => Promise<Running>,
    gateway: Running,
  ) {
    this.endpoint = access.endpoint;
    this.region = access.region;
    this.accessKeyId = access.accessKeyId;
    this.secretAccessKey = access.secretAccessKey;
    this.#folder = folder;
    this.#startGateway = startGateway;
    this.#gateway = gateway;
  }

  /** Starts the gateway; `folder` holds it and whatever stands behind it. */
  static async start(
    access: S3Access,
    folder: ServiceFolder,
    startGateway: () => Promise<Running>,
  ): Promise<S3Service> {
    return new S3Service(access, folder, startGateway, await startGateway());
  }

  /** Process id of the part that speaks S3. */
  get pid(): number {
    return this.#gateway.pid;
  }

  /** Makes an empty bucket. */
  async createBucket(bucket: string): Promise<void> {
    const { endpoint, region, accessKeyId, secretAccessKey } = this;
    const client = new S3Client({
      bucket,
      endpoint,
      region,
      accessKeyId,
      secretAccessKey,
      addressing: "path",
    });
    await client.sendForHeaders({ method: "PUT" });
  }

  /** Stops it in its tracks: connections stay open and nothing answers. */
  pause(): void {
    this.#gateway.signal("SIGSTOP");
  }

  /** Lets it go on after `pause`. */
  resume(): void {
    this.#gateway.signal("SIGCONT");
  }

  /** Ends it as a crash does; what it has stored stays. Resolves when it is gone. */
  kill(): Promise<void> {
    return this.#gateway.kill();
  }

  /** Starts it anew at the same endpoint, with what it has stored; resolves when it answers. */
  async restart(): Promise<void> {
    await this.#gateway.kill();
    this.#gateway = await this.#startGateway();
  }

  /** Ends it and removes everything it has stored. */
  stop(): Promise<void> {
    return this.#folder.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** A signed request for the list of buckets: a server that answers it does so to every other one. */
export async function listBuckets(access: S3Access, signal: AbortSignal): Promise<Response> {
  const url = new URL(access.endpoint);
  const request = { method: "GET", url, headers: {}, bodySha256: EMPTY_SHA256 };
  const headers = await new S3Signer(access).sign(request, new Date());
  return await fetch(url, { headers, signal });
}

/** Keys for one server and one run. */
export function randomKeys(): { accessKeyId: string; secretAccessKey: string } {
  const random = () => crypto.randomUUID().replaceAll("-", "");
  return { accessKeyId: random().slice(0, 20).toUpperCase(), secretAccessKey: random() };
}

/** Starts a service by hand: prints one line of JSON, and stops the service on SIGINT or SIGTERM. */
export async function runByHand(start: () => Promise<S3Service>): Promise<void> {
  const service = await start();
  const { endpoint, accessKeyId, secretAccessKey, region, pid } = service;
  const line = JSON.stringify({ endpoint, accessKeyId, secretAccessKey, region, pid });
  await Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
  const { promise: told, resolve } = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => resolve());
  await told;
  await service.stop();
  Deno.exit(0);
}
