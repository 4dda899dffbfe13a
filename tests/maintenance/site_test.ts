/** What is said of data that cannot be opened. */
import { assertMatch, assertRejects } from "@std/assert";
import { type Config, ConfigError, readConfig } from "../../src/cli/config.ts";
import type { SettingTexts } from "../../src/cli/settings.ts";
import { DataDir } from "../../src/data_dir.ts";
import { readSite, takeSite } from "../../src/maintenance/site.ts";

function configOf(flags: SettingTexts): Config {
  return readConfig(flags, () => undefined);
}

Deno.test("takeSite() advises to stop the server only where one has the folder", async () => {
  const folder = await Deno.makeTempDir({ prefix: "site-test-" });
  const refusalOf = async (name: string) =>
    (await assertRejects(() => takeSite(configOf({ dataDir: `${folder}/${name}` }), undefined), Error))
      .message;
  try {
    const held = await DataDir.open(`${folder}/held`, "assets-db");
    assertMatch(await refusalOf("held"), /held is in use .*\(--data-dir\)\. Stop the server first$/);
    await held.close();
    await Deno.writeTextFile(`${folder}/file`, "");
    assertMatch(await refusalOf("file"), /file cannot be used \(--data-dir\): (?!.*Stop the server)/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("readSite() names the flags of data that cannot be read", async () => {
  const file = await Deno.makeTempFile({ prefix: "site-test-" });
  try {
    const message = `The KV ${file}/assets-db.kv cannot be read (--db, --data-dir, --mode)`;
    await assertRejects(() => readSite(configOf({ dataDir: file })), Error, message);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("readSite() names the flags of S3 settings that do not go together", async () => {
  const folder = await Deno.makeTempDir({ prefix: "site-test-" });
  try {
    await Deno.writeTextFile(`${folder}/assets-db.kv`, "");
    const config = configOf({ dataDir: folder, s3Bucket: "A_B" });
    await assertRejects(() => readSite(config), ConfigError, "--s3-bucket");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
