/**
 * A MinIO server for tests.
 *
 * By hand: `deno run -A scripts/services/minio.ts` prints how to reach it and runs until SIGINT or SIGTERM. The program
 * itself is built by `scripts/services/install.sh`.
 */

import { join } from "node:path";
import { freePorts, ServiceFolder } from "./processes.ts";
import { listBuckets, randomKeys, runByHand, S3Service } from "./s3_service.ts";

/** Where `install.sh` puts the program: `$ASSETS_TEST_CACHE` or `~/.cache/assets-server-tests`, in `bin`. */
export function minioPath(): string {
  const cache = Deno.env.get("ASSETS_TEST_CACHE") ||
    join(Deno.env.get("HOME") ?? ".", ".cache", "assets-server-tests");
  return join(cache, "bin", "minio");
}

/** Starts a MinIO with one folder. Throws an error that says what to do when the program is not there. */
export async function startMinio(): Promise<S3Service> {
  const command = minioPath();
  await Deno.stat(command).catch((cause) => {
    throw new Error(`There is no MinIO at ${command}: run scripts/services/install.sh first.`, { cause });
  });
  const [port, consolePort] = freePorts(2);
  const access = { endpoint: `http://127.0.0.1:${port}`, region: "us-east-1", ...randomKeys() };
  const folder = await ServiceFolder.open("minio");
  try {
    await Deno.mkdir(join(folder.path, "drive"));
    return await S3Service.start(access, folder, async () => {
      const running = await folder.start({
        name: "minio",
        command,
        args: [
          ...["server", join(folder.path, "drive"), "--address", `127.0.0.1:${port}`],
          ...["--console-address", `127.0.0.1:${consolePort}`, "--certs-dir", join(folder.path, "certs")],
        ],
        env: {
          MINIO_ROOT_USER: access.accessKeyId,
          MINIO_ROOT_PASSWORD: access.secretAccessKey,
          MINIO_BROWSER: "off",
          MINIO_UPDATE: "off",
        },
      });
      // Its own route for readiness says yes before it takes signed requests.
      await folder.untilItAnswers(running, (signal) => listBuckets(access, signal));
      return running;
    });
  } catch (error) {
    await folder.stop();
    throw error;
  }
}

if (import.meta.main) await runByHand(startMinio);
