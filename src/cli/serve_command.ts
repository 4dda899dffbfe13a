/** The default command: runs a server until a signal ends it. */
import { getLogger } from "@logtape/logtape";
import { logToStderr } from "../observe/logging.ts";
import { RequestLog } from "../observe/request_log.ts";
import { type RunningServer, startServer } from "../server.ts";
import type { Config } from "./config.ts";

/**
 * Serves until SIGTERM or SIGINT, then lets what is in flight finish. A second signal ends the process at once. SIGHUP has
 * the files read again that may change while it runs.
 */
export async function serve(config: Config): Promise<void> {
  const output = await logToStderr(config.log);
  const logsRequests = config.log.level === "debug" || config.log.level === "info";
  warnOfMongo();
  const requests = logsRequests ? new RequestLog(output, config.log) : undefined;
  try {
    await untilSignalled(await startServer(config, { output, requests }));
  } finally {
    await output.flush();
  }
}

/** AIOSv1's Deployment names its MongoDB: whoever only changes the image should know that nothing comes from there. */
function warnOfMongo(): void {
  if (!Deno.env.get("MONGO_URL")) return;
  getLogger(["assets-server"]).warn(
    "MONGO_URL is not used: the metadata are in Deno KV. assets-server import --from <URL of the old service> brings its assets",
  );
}

async function untilSignalled(server: RunningServer): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${server.greeting}\n`));
  const { promise: signalled, resolve } = Promise.withResolvers<void>();
  let hasStopped = false;
  const onSignal = () => {
    if (hasStopped) Deno.exit(1);
    hasStopped = true;
    resolve();
  };
  // Windows knows no SIGTERM; Deno offers SIGINT and SIGBREAK there.
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT", "SIGBREAK"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  const onHangup = () => void server.reload();
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGHUP", onHangup);
  await signalled;
  await server.stop();
  for (const signal of signals) Deno.removeSignalListener(signal, onSignal);
  if (Deno.build.os !== "windows") Deno.removeSignalListener("SIGHUP", onHangup);
}
