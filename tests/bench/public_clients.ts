/** Programs that anybody may have, as clients of our server and of S3. */
import { runProgram } from "./processes.ts";

/** An object in a bucket, and who may write it. */
export interface S3Target {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  bucket: string;
  key: string;
}

/** A program that sends files as multipart uploads. */
export interface MultipartClient {
  program: string;
  /** Stores a file; returns the seconds that this took, the program's start included. */
  put(target: S3Target, file: string): Promise<number>;
}

/** What curl says behind the body when it is done (curl(1), `--write-out`), on a line of its own. */
const CURL_REPORT = '\\n{"status":%{http_code},"seconds":%{time_total},"sizeBytes":%{size_download}}';

/** `crypto.getRandomValues` gives no more at once. */
const RANDOM_BYTES = 64 * 1024;

export const multipartClients: MultipartClient[] = [
  { program: "s3cmd", put: (target, file) => timed("s3cmd", s3cmdArgs(target, file)) },
  { program: "rclone", put: (target, file) => timed("rclone", rcloneArgs(target, file)) },
];

/** Fetches all of a URL and throws it away; throws unless it is `sizeBytes` long. */
export async function curlDownload(
  url: string,
  sizeBytes: number,
): Promise<{ seconds: number; sizeBytes: number }> {
  const { status, seconds, ...outcome } = (await curl(["--output", "/dev/null", url])).report;
  if (status !== 200 || outcome.sizeBytes !== sizeBytes) {
    throw new Error(`${url} answered ${status} with ${outcome.sizeBytes} bytes.`);
  }
  return { seconds, sizeBytes };
}

/** Sends a file to `POST /upload_asset`; returns the answer too. */
export async function curlUpload(
  url: string,
  file: string,
  name: string,
): Promise<{ seconds: number; answer: unknown }> {
  const metadata = JSON.stringify({ asset_name: name, asset_version: { version: "1.0", tag: "bench" } });
  const form = ["--form-string", `asset_metadata=${metadata}`, "--form", `asset=@${file}`];
  const { body, report: { status, seconds } } = await curl([...form, url]);
  if (status !== 201) throw new Error(`${url} answered ${status}: ${body}`);
  return { seconds, answer: JSON.parse(body) };
}

/** Stores a file with one signed PUT that leaves the body unhashed; returns its seconds. */
export async function curlPut(target: S3Target, file: string): Promise<number> {
  const { endpoint, region, accessKeyId, secretAccessKey, bucket, key } = target;
  const url = `${endpoint}/${bucket}/${key}`;
  const signature = ["--aws-sigv4", `aws:amz:${region}:s3`, "--user", `${accessKeyId}:${secretAccessKey}`];
  const headers = ["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"];
  const { body, report } = await curl([...signature, ...headers, "--upload-file", file, url]);
  if (report.status !== 200) throw new Error(`PUT ${url} answered ${report.status}: ${body}`);
  return report.seconds;
}

/** Fills a file with bytes no two MiB of which are the same. */
export async function writeRandomFile(path: string, sizeBytes: number): Promise<void> {
  const block = new Uint8Array(2 ** 20);
  for (let at = 0; at < block.length; at += RANDOM_BYTES) {
    crypto.getRandomValues(block.subarray(at, at + RANDOM_BYTES));
  }
  using file = await Deno.create(path);
  const writer = file.writable.getWriter();
  for (let at = 0; at < sizeBytes; at += block.length) {
    new DataView(block.buffer).setFloat64(0, at);
    await writer.write(block.subarray(0, sizeBytes - at));
  }
  writer.releaseLock();
}

async function curl(args: string[]) {
  const printed = await runProgram("curl", ["--silent", "--show-error", "--write-out", CURL_REPORT, ...args]);
  const lineEnd = printed.lastIndexOf("\n");
  const report: { status: number; seconds: number; sizeBytes: number } = JSON.parse(
    printed.slice(lineEnd + 1),
  );
  return { body: printed.slice(0, lineEnd), report };
}

function s3cmdArgs(target: S3Target, file: string): string[] {
  const { endpoint, region, accessKeyId, secretAccessKey, bucket, key } = target;
  const { host } = new URL(endpoint);
  return [
    ...["--config=/dev/null", "--no-ssl", `--host=${host}`, `--host-bucket=${host}`, `--region=${region}`],
    ...[`--access_key=${accessKeyId}`, `--secret_key=${secretAccessKey}`, "--no-progress"],
    ...["put", file, `s3://${bucket}/${key}`],
  ];
}

function rcloneArgs(target: S3Target, file: string): string[] {
  const { endpoint, region, accessKeyId, secretAccessKey, bucket, key } = target;
  const remote = `:s3,provider=Other,endpoint="${endpoint}",region=${region},access_key_id=${accessKeyId},` +
    `secret_access_key=${secretAccessKey},no_check_bucket=true:${bucket}/${key}`;
  return ["--config=/dev/null", "copyto", file, remote];
}

async function timed(program: string, args: string[]): Promise<number> {
  const startedAt = performance.now();
  await runProgram(program, args);
  return (performance.now() - startedAt) / 1000;
}
