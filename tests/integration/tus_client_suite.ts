/** Resumable uploads as the public client `tus-js-client` makes them, through the crashes of both sides. */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import type { SettingTexts } from "../../src/cli/settings.ts";
import { assertStatus, assetPath, at, send } from "../server/client.ts";
import { everythingIn, type ProcessServer, startProcessServer } from "./process_server.ts";
import { seededBlocks, sha256Of } from "./seeded_bytes.ts";
import type { ClientReport, ClientTask, Kill } from "./tus_client_process.ts";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const CLIENT = fileURLToPath(new URL("tus_client_process.ts", import.meta.url));

const MB = 1_000_000;
const FILE_BYTES = 300 * MB;
const SEED = 42;

/** Registers the tests. `settings` are those of the server, asked for when a test starts. */
export function tusClientSuite(where: string, settings: () => SettingTexts): void {
  Deno.test(`tus-js-client uploads 300 MB to ${where}, is killed three times and the server once, and all is there`, async () => {
    await using server = await startProcessServer(settings());
    const folder = await Deno.makeTempDir({ prefix: "tus-client-" });
    try {
      const file = `${folder}/file.bin`;
      await writeSeeded(file);
      const task = {
        endpoint: `${server.url}/uploads/`,
        file,
        urls: `${folder}/urls.json`,
        metadata: METADATA,
      };
      const first = await killed(task, [{ who: "client", atBytes: 50 * MB }]);
      const second = await killed(task, [{ who: "client", atBytes: first + 50 * MB }]);
      const restarted = server.ended.then(() => server.restart());
      const third = await killed(task, [
        { who: { pid: server.pid }, atBytes: second + 40 * MB },
        { who: "client", atBytes: second + 100 * MB },
      ]);
      await restarted;
      const report = await completed(task);
      assertEquals(report.resumedAt, [third]);
      assert(0 < first && first < second && second < third, `${[first, second, third]}`);
      await assertAlone(server, report);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

const METADATA = {
  filename: "большой файл.bin",
  filetype: "application/octet-stream",
  asset_metadata: JSON.stringify({ asset_name: "Large", asset_version: { version: "1.0", tag: "initial" } }),
};

async function writeSeeded(path: string): Promise<void> {
  using file = await Deno.create(path);
  const writer = file.writable.getWriter();
  for (const block of seededBlocks(SEED, FILE_BYTES)) await writer.write(block);
  await writer.close();
}

/** Runs a client until it is killed; returns where the server says the upload stands then, in bytes. */
async function killed(task: ClientTask, kills: Kill[]): Promise<number> {
  const { signal, printed } = await runClient({ ...task, kills });
  assertEquals([signal, printed], ["SIGKILL", ""]);
  const [noted] = Object.values<{ uploadUrl: string }>(JSON.parse(await Deno.readTextFile(task.urls)));
  const headers = { "Tus-Resumable": "1.0.0" };
  const response = await fetch(noted?.uploadUrl ?? "", { method: "HEAD", headers });
  assertEquals(response.status, 200);
  return Number(response.headers.get("Upload-Offset"));
}

async function completed(task: ClientTask): Promise<ClientReport> {
  const { signal, printed } = await runClient(task);
  assertEquals(signal, null);
  return JSON.parse(printed);
}

async function runClient(task: ClientTask): Promise<{ signal: Deno.Signal | null; printed: string }> {
  const args = ["run", "--no-prompt", "--no-check", "-A", "--config", CONFIG, CLIENT, JSON.stringify(task)];
  const { signal, stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  return { signal, printed: new TextDecoder().decode(stdout) };
}

/** The asset is right in every byte, and it is all that the server has. */
async function assertAlone(server: ProcessServer, { assetUri, assetId }: ClientReport): Promise<void> {
  const { body } = assertStatus(await send(server, assetPath(assetUri)), 200);
  const expected = await sha256Of(seededBlocks(SEED, FILE_BYTES));
  assertEquals(at(body, "data.asset_id"), assetId);
  assertEquals(at(body, "data.asset_file_info.file_size"), FILE_BYTES);
  assertEquals(at(body, "data.asset_file_info.sha256"), expected);
  const file = await fetch(`${server.url}/asset-object/${assetId}`);
  assertEquals(await sha256Of(file.body ?? []), expected);
  const key = `asset/${assetId}`;
  assertEquals(await everythingIn(server, [key]), { documents: 1, stored: [key] });
}
