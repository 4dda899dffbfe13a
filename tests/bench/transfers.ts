/** Large files up to and down from a server, each by a client in a process of its own. */
import { z } from "zod";
import { type MeasuredServer, runModule } from "./processes.ts";

/** What `transfer_client.ts` prints. */
const transferResult = z.object({ seconds: z.number(), sizeBytes: z.number(), sha256: z.string() });

/** What an upload answered. */
const uploadAnswer = z.object({
  asset_uri: z.string(),
  asset_id: z.string(),
  data: z.object({ asset_file_info: z.object({ sha256: z.string() }) }),
});

/** What a resumable upload has become. */
const resumableResult = transferResult.extend({ assetUri: z.string() });

/** A file that has moved. */
export type Transfer = z.infer<typeof transferResult>;

/** A file that our server has stored. */
export interface StoredFile {
  id: string;
  uri: string;
  sha256: string;
}

/** Sends `POST /upload_asset`. */
export async function upload(
  server: MeasuredServer,
  sizeBytes: number,
): Promise<{ transfer: Transfer; stored: StoredFile }> {
  const { transfer, answer } = await uploadAnywhere(server, sizeBytes);
  return { transfer, stored: storedFile(answer) };
}

/** Sends what `upload` sends to a server that may answer anything. */
export async function uploadAnywhere(
  { url }: MeasuredServer,
  sizeBytes: number,
): Promise<{ transfer: Transfer; answer: unknown }> {
  const args = ["upload", `${url}/upload_asset`, String(sizeBytes), crypto.randomUUID()];
  const printed = await runModule("transfer_client.ts", args);
  const { answer, ...transfer } = transferResult.extend({ answer: z.unknown() }).parse(printed);
  return { transfer, answer };
}

/** Sends a file by tus, with one `PATCH`; the asset's URI comes back too. */
export async function uploadResumably(
  { url }: MeasuredServer,
  sizeBytes: number,
): Promise<{ transfer: Transfer; uri: string }> {
  const args = ["tus", `${url}/uploads`, String(sizeBytes), crypto.randomUUID()];
  const { assetUri, ...transfer } = resumableResult.parse(await runModule("transfer_client.ts", args));
  return { transfer, uri: decodeURIComponent(assetUri) };
}

/** Fetches all of a URL; hashes it if `more` is `hash`. Throws unless it is `sizeBytes` long. */
export async function download(url: string, sizeBytes: number, ...more: "hash"[]): Promise<Transfer> {
  const transfer = transferResult.parse(await runModule("transfer_client.ts", ["download", url, ...more]));
  if (transfer.sizeBytes !== sizeBytes) throw new Error(`${url} sent ${transfer.sizeBytes} bytes.`);
  return transfer;
}

/** Uploads a file and sees that the server says and sends what went up. */
export async function uploadAndVerify(server: MeasuredServer, sizeBytes: number): Promise<StoredFile> {
  const { transfer, stored } = await upload(server, sizeBytes);
  const back = await download(objectUrl(server, stored.id), sizeBytes, "hash");
  for (const digest of [stored.sha256, back.sha256]) {
    if (digest !== transfer.sha256) throw new Error(`${transfer.sha256} went up, ${digest} came back.`);
  }
  return stored;
}

/** Removes an asset with its file. */
export async function remove({ url }: MeasuredServer, uri: string): Promise<void> {
  const response = await fetch(`${url}/asset/${encodeURIComponent(uri)}`, { method: "DELETE" });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`DELETE of ${uri} answered ${response.status}.`);
}

/** Reads the answer to an upload. */
export function storedFile(answer: unknown): StoredFile {
  const { asset_id: id, asset_uri: uri, data } = uploadAnswer.parse(answer);
  return { id, uri, sha256: data.asset_file_info.sha256 };
}

/** Where a stored file is fetched. */
export function objectUrl({ url }: MeasuredServer, id: string): string {
  return `${url}/asset-object/${encodeURIComponent(id)}`;
}

/** Megabytes, of a million bytes, per second. */
export function rate({ sizeBytes, seconds }: Pick<Transfer, "sizeBytes" | "seconds">): number {
  return sizeBytes / 1e6 / seconds;
}
