/**
 * s3rver, an S3 server on a folder, inside the test process.
 *
 * What it lacks against real S3: it checks no SigV4 signature, lists and aborts no multipart uploads, ignores
 * `encoding-type`, takes the range 0-0 for the whole object and `a//b` for `a/b`, fails where a listing needs a second
 * page (its continuation token is made with DES), and needs keys that a file system can hold.
 */

import S3rver from "s3rver";

/** A running s3rver with one bucket. */
export interface RunningS3rver {
  endpoint: string;
  bucket: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** The folder that holds the buckets. */
  directory: string;
  /** Ends the server and removes its folder. */
  stop(): Promise<void>;
}

/** Starts s3rver on a free port of 127.0.0.1 over a folder of its own. */
export async function startS3rver(bucket = "assets"): Promise<RunningS3rver> {
  const directory = await Deno.makeTempDir({ prefix: "s3rver-" });
  const server = new S3rver({
    address: "127.0.0.1",
    port: 0,
    silent: true,
    directory,
    vhostBuckets: false,
    configureBuckets: [{ name: bucket, configs: [] }],
  });
  const { port } = await server.run();
  return {
    endpoint: `http://127.0.0.1:${port}`,
    bucket,
    region: "us-east-1",
    accessKeyId: "S3RVER",
    secretAccessKey: "S3RVER",
    directory,
    async stop() {
      const closed = server.close();
      // Clients keep connections for their next request; waiting for them would take as long as they like.
      server.httpServer.closeAllConnections();
      await closed;
      await Deno.remove(directory, { recursive: true });
    },
  };
}
