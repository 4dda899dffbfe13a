import { assertEquals } from "@std/assert";
import { uploadForm } from "./harness.ts";
import { startProcess } from "./subprocess.ts";

/** Every file below the folder of the objects. */
async function files(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) found.push(...await files(`${folder}/${name}`));
    else found.push(`${folder}/${name}`);
  }
  return found;
}

Deno.test("A server killed in the middle of an upload leaves nothing once it runs again, and keeps what it had", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "crash-test-" });
  const first = await startProcess(["--data-dir", dataDir]);
  const kept = await fetch(`${first.url}/upload_asset`, {
    method: "POST",
    body: uploadForm("kept", { name: "Kept" }),
  });
  assertEquals(kept.status, 201);
  await kept.body?.cancel();

  let sent = 0;
  const begun = Promise.withResolvers<void>();
  const form = new Response(uploadForm(new Uint8Array(64 * 1024), { name: "Lost" }));
  const head = new Uint8Array(await form.arrayBuffer()).subarray(0, 32 * 1024);
  const endless = new ReadableStream<Uint8Array>({
    async pull(controller) {
      controller.enqueue(sent === 0 ? head : new Uint8Array(256 * 1024));
      sent += 256 * 1024;
      if (sent > 8 * 1024 * 1024) begun.resolve();
      await new Promise((resolve) => setTimeout(resolve, 1));
    },
  });
  const headers = { "Content-Type": form.headers.get("Content-Type") ?? "" };
  const upload = fetch(`${first.url}/upload_asset`, { method: "POST", body: endless, headers })
    .then((response) => response.status, () => "broken off");
  await begun.promise;
  assertEquals((await files(`${dataDir}/objects`)).length, 2, "the kept object and the unfinished one");
  await first.end("SIGKILL");
  assertEquals(await upload, "broken off");

  const second = await startProcess(["--data-dir", dataDir]);
  for (let n = 0; n < 100 && (await files(`${dataDir}/objects`)).length > 1; n++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertEquals((await files(`${dataDir}/objects`)).length, 1);
  const { data } = await (await fetch(`${second.url}/asset/Kept:1.0-initial`)).json();
  const file = await fetch(second.url + new URL(data.asset_public_url).pathname);
  assertEquals(await file.text(), "kept");
  assertEquals((await fetch(`${second.url}/asset/Lost:1.0-initial`, { method: "HEAD" })).status, 404);
  assertEquals((await second.end("SIGTERM")).code, 0);
  await Deno.remove(dataDir, { recursive: true });
});
