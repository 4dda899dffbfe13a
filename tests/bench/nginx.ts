/** nginx as a server of one file, for comparison. */
import { dirname, join } from "node:path";
import { freePorts } from "../../scripts/services/processes.ts";
import { type MeasuredServer, untilItListens } from "./processes.ts";

/**
 * One process, because it has one client at a time and its memory is measured; `sendfile` and `tcp_nopush` as in
 * Debian's own configuration. All paths that it may write to lie in `folder`.
 */
function configuration(folder: string, port: number, root: string): string {
  return `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr warn;
events {}
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type application/octet-stream;
  client_body_temp_path ${folder}/client_body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port};
    root ${JSON.stringify(root)};
  }
}
`;
}

/** Starts it on the folder of `path`; the URL is that file's. */
export async function startNginx(path: string): Promise<MeasuredServer> {
  const folder = await Deno.makeTempDir({ prefix: "assets-server-nginx-" });
  const [port = 0] = freePorts(1);
  const file = join(folder, "nginx.conf");
  await Deno.writeTextFile(file, configuration(folder, port, dirname(path)));
  const args = ["-c", file, "-p", folder, "-e", "stderr"];
  const child = new Deno.Command("nginx", { args, stdin: "null", stdout: "null", stderr: "piped" }).spawn();
  const complaint = new Response(child.stderr).text();
  const stop = async () => {
    // It may have ended by itself.
    try {
      child.kill("SIGTERM");
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
    await child.status;
    await complaint;
    await Deno.remove(folder, { recursive: true });
  };
  const ended = child.status.then(async () => {
    throw new Error(`nginx ended before it listened:\n${await complaint}`);
  });
  try {
    await Promise.race([untilItListens(port), ended]);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    ended.catch(() => {});
  }
  const url = `http://127.0.0.1:${port}/${encodeURIComponent(path.slice(dirname(path).length + 1))}`;
  return { url, pid: child.pid, [Symbol.asyncDispose]: stop };
}
