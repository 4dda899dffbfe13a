/**
 * An upload by `tus-js-client`, the public client, in a process that may be killed.
 *
 *     deno run -A tus_client_process.ts <JSON of a ClientTask>
 *
 * It goes on with what an earlier process of the same task began. Prints a `ClientReport` when the upload is done.
 */
import { createReadStream } from "node:fs";
import { type PreviousUpload, Upload, type UrlStorage } from "tus-js-client";

/** The end of a process. */
export interface Kill {
  who: "client" | { pid: number };
  atBytes: number;
}

/** What to upload, and when to kill whom. */
export interface ClientTask {
  endpoint: string;
  file: string;
  /** Where the client notes its uploads: a JSON file, that need not be there. */
  urls: string;
  metadata: Record<string, string>;
  /** SIGKILL for the client itself or for the server, once this many bytes of the file are on their way; in order. */
  kills?: Kill[];
}

/** What the last of the processes has to tell. */
export interface ClientReport {
  assetUri: string;
  assetId: string;
  /** Where the server said the upload stood, each time it was asked. */
  resumedAt: number[];
}

/** Uploads that are remembered over processes. */
class FileUrls implements UrlStorage {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async findAllUploads(): Promise<PreviousUpload[]> {
    return Object.values(await this.#read());
  }

  async findUploadsByFingerprint(fingerprint: string): Promise<PreviousUpload[]> {
    const all = Object.entries(await this.#read());
    return all.filter(([key]) => key.startsWith(`${fingerprint}::`)).map(([, upload]) => upload);
  }

  async removeUpload(key: string): Promise<void> {
    const all = await this.#read();
    delete all[key];
    await Deno.writeTextFile(this.#path, JSON.stringify(all));
  }

  async addUpload(fingerprint: string, upload: PreviousUpload): Promise<string> {
    const key = `${fingerprint}::${crypto.randomUUID()}`;
    const all = { ...await this.#read(), [key]: { ...upload, urlStorageKey: key } };
    await Deno.writeTextFile(this.#path, JSON.stringify(all));
    return key;
  }

  async #read(): Promise<Record<string, PreviousUpload>> {
    try {
      return JSON.parse(await Deno.readTextFile(this.#path));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return {};
      throw error;
    }
  }
}

async function run({ endpoint, file, urls, metadata, kills = [] }: ClientTask): Promise<ClientReport> {
  const resumedAt: number[] = [];
  let next = 0;
  const { promise, resolve, reject } = Promise.withResolvers<ClientReport>();
  const upload = new Upload(createReadStream(file), {
    endpoint,
    metadata,
    urlStorage: new FileUrls(urls),
    removeFingerprintOnSuccess: true,
    // A server that is started again needs a moment.
    retryDelays: Array.from({ length: 100 }, () => 200),
    onProgress(sentBytes) {
      const kill = kills[next];
      if (!kill || sentBytes < kill.atBytes) return;
      next++;
      Deno.kill(kill.who === "client" ? Deno.pid : kill.who.pid, "SIGKILL");
    },
    onAfterResponse(request, response) {
      const offset = response.getHeader("Upload-Offset");
      if (request.getMethod() === "HEAD" && offset !== undefined) resumedAt.push(Number(offset));
    },
    onSuccess({ lastResponse }) {
      const header = (name: string) => decodeURIComponent(lastResponse.getHeader(name) ?? "");
      resolve({ assetUri: header("Asset-Uri"), assetId: header("Asset-Id"), resumedAt });
    },
    onError: reject,
  });
  const [previous] = await upload.findPreviousUploads();
  if (previous) upload.resumeFromPreviousUpload(previous);
  upload.start();
  return await promise;
}

if (import.meta.main) {
  const report = await run(JSON.parse(Deno.args[0] ?? ""));
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(report)));
}
