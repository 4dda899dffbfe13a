/**
 * A Ceph cluster with an object gateway for tests: one monitor, one object storage daemon that keeps everything in
 * memory, one radosgw.
 *
 * By hand: `deno run -A scripts/services/ceph.ts` prints how to reach it and runs until SIGINT or SIGTERM. The programs
 * come from Debian's packages, see `scripts/services/install.sh`.
 */

import { join } from "node:path";
import { freePorts, type Program, type Running, ServiceFolder } from "./processes.ts";
import { randomKeys, runByHand, S3Service } from "./s3_service.ts";

/** What the cluster may hold in memory. */
const MEMORY_BYTES = 4 * 1024 ** 3;

/** The ports that one cluster listens on. */
interface CephPorts {
  monitor: number;
  gateway: number;
}

/**
 * The whole configuration (Ceph documentation, "Configuration Reference"). Without authentication the monitor's
 * connections have no key to encrypt with, so they have to be `crc`: radosgw asks for `secure` by default, and waits for
 * ever. The monitor's proposals would wait up to a second each, which adds up over the dozens of a new cluster.
 */
function configuration(folder: string, fsid: string, { monitor, gateway }: CephPorts): string {
  return `[global]
fsid = ${fsid}
mon host = [v2:127.0.0.1:${monitor}]
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms mon cluster mode = crc
ms mon service mode = crc
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail warn = 1
mon data avail crit = 0
mon warn on insecure global id reclaim allowed = false
mon cluster log to file = false
paxos propose interval = 0.02
paxos min wait = 0.01
osd objectstore = memstore
memstore device bytes = ${MEMORY_BYTES}
log to file = false
log to stderr = true
err to stderr = true
admin socket =
pid file =
run dir = ${folder}
keyring = ${folder}/keyring
mon data = ${folder}/mon
osd data = ${folder}/osd
rgw data = ${folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:${gateway}
[osd]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
`;
}

/** Starts a cluster with one user. Throws an error that says what to do when the programs are not there. */
export async function startCeph(): Promise<S3Service> {
  await needPrograms(["monmaptool", "ceph-mon", "ceph-osd", "ceph", "radosgw", "radosgw-admin"]);
  const [monitor = 0, gateway = 0] = freePorts(2);
  const endpoint = `http://127.0.0.1:${gateway}`;
  const keys = randomKeys();
  const folder = await ServiceFolder.open("ceph");
  try {
    await startCluster(folder, { monitor, gateway });
    const service = await S3Service.start({ endpoint, region: "us-east-1", ...keys }, folder, async () => {
      const running = await folder.start(daemon(folder, "radosgw", ["-n", "client.admin"]));
      await folder.untilItAnswers(running, (signal) => fetch(endpoint, { signal }));
      return running;
    });
    const user = ["--uid=tests", "--display-name=tests"];
    const secrets = [`--access-key=${keys.accessKeyId}`, `--secret-key=${keys.secretAccessKey}`];
    await folder.run("radosgw-admin", ["user", "create", ...user, ...secrets], environment(folder));
    return service;
  } catch (error) {
    await folder.stop();
    throw error;
  }
}

/** Monitor and object storage daemon, from nothing. */
async function startCluster(folder: ServiceFolder, ports: CephPorts): Promise<void> {
  const { path } = folder;
  const env = environment(folder);
  const fsid = crypto.randomUUID();
  const osdUuid = crypto.randomUUID();
  for (const name of ["mon", "osd", "rgw"]) await Deno.mkdir(join(path, name));
  await Deno.writeTextFile(join(path, "keyring"), "");
  await Deno.writeTextFile(join(path, "ceph.conf"), configuration(path, fsid, ports));
  const monmap = join(path, "monmap");
  const address = `[v2:127.0.0.1:${ports.monitor}]`;
  await folder.run("monmaptool", ["--create", "--fsid", fsid, "--addv", "a", address, monmap], env);
  await folder.run("ceph-mon", ["--mkfs", "-i", "a", "--monmap", monmap], env);
  await command(folder, await folder.start(daemon(folder, "ceph-mon", ["-i", "a"])), [
    ["osd", "new", osdUuid],
    ["osd", "crush", "add", "osd.0", "1", "root=default", "host=localhost"],
  ]);
  await folder.run("ceph-osd", ["--mkfs", "-i", "0", "--osd-uuid", osdUuid], env);
  await folder.start(daemon(folder, "ceph-osd", ["-i", "0"]));
}

/** Has the monitor carry out commands; `ceph` itself waits until the monitor answers. */
async function command(folder: ServiceFolder, monitor: Running, commands: string[][]): Promise<void> {
  for (const words of commands) {
    if (monitor.ended) throw new Error(`The monitor ended; its log is ${folder.path}/ceph-mon.log.`);
    await folder.run("ceph", ["--connect-timeout", "30", ...words], environment(folder));
  }
}

function environment(folder: ServiceFolder): Record<string, string> {
  return { CEPH_CONF: join(folder.path, "ceph.conf") };
}

/** A daemon that stays in the foreground. */
function daemon(folder: ServiceFolder, command: string, args: string[]): Program {
  return { name: command, command, args: ["-f", ...args], env: environment(folder) };
}

async function needPrograms(names: string[]): Promise<void> {
  const script = 'for name; do command -v "$name" >/dev/null || { echo "$name"; exit 1; }; done';
  const { success, stdout } = await new Deno.Command("sh", { args: ["-c", script, "sh", ...names] }).output();
  if (success) return;
  const missing = new TextDecoder().decode(stdout).trim();
  throw new Error(`Ceph is not installed (${missing} is missing): run scripts/services/install.sh first.`);
}

if (import.meta.main) await runByHand(startCeph);
