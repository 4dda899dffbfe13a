/** The certificate of a server, out of its files. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { type Config, ConfigError } from "./cli/config.ts";
import type { Certificate } from "./http/listener.ts";

/**
 * Reads the certificate and the key that a configuration names, and sees that they fit.
 *
 * @throws {ConfigError} in one line that names the file that is wrong
 */
export async function readCertificate({ access: { tls } }: Config): Promise<Certificate | undefined> {
  if (!tls) return undefined;
  const cert = await read(tls.certFile, "--tls-cert");
  const key = await read(tls.keyFile, "--tls-key");
  const certificate = attempt(() => new X509Certificate(cert), tls.certFile, "--tls-cert", "a certificate");
  const privateKey = attempt(() => createPrivateKey(key), tls.keyFile, "--tls-key", "a private key");
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new ConfigError(`The key ${tls.keyFile} is not that of ${tls.certFile} (--tls-key, --tls-cert)`);
  }
  return { cert, key };
}

async function read(path: string, flag: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`The file ${path} cannot be read (${flag}): ${reason}`);
  }
}

function attempt<T>(parse: () => T, path: string, flag: string, what: string): T {
  try {
    return parse();
  } catch {
    throw new ConfigError(`The file ${path} holds no PEM of ${what} (${flag})`);
  }
}
