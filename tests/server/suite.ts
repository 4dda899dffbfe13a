/** How the modules of the asset suite register their tests. */
import type { SettingTexts } from "../../src/cli/settings.ts";
import type { Start, StoreGaps } from "./client.ts";
import type { TestServer } from "./harness.ts";

/** What a suite is run against. */
export interface Suite {
  /** Put before the name of every test. */
  name: string;
  start: Start;
  gaps: StoreGaps;
}

/** Registers a test with a server of its own. */
export type RegisterTest = (
  sentence: string,
  run: (server: TestServer) => Promise<void>,
  settings?: SettingTexts,
) => void;

/** Makes the function that registers the tests of a suite. */
export function registerFor({ name, start }: Suite): RegisterTest {
  return (sentence, run, settings) =>
    Deno.test(`${name}: ${sentence}`, async () => {
      await using server = await start(settings);
      await run(server);
    });
}
