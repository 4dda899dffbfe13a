/** The S3 store of a server's settings. */
import { ConfigError } from "./cli/config.ts";
import type { S3Config } from "./objects/s3_address.ts";
import { S3Store } from "./objects/s3_store.ts";

/**
 * The store that the settings name. It connects to nothing yet.
 *
 * @throws {ConfigError} if they do not go together
 */
export function openS3(s3: S3Config): S3Store {
  try {
    return new S3Store(s3);
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw new ConfigError(
      `The S3 settings make no sense (--s3-bucket, --s3-endpoint, --s3-prefix, --s3-addressing): ${reason}`,
    );
  }
}
