/**
 * What a client may expect of an Assets DB, whatever its files lie on: the contract, sections 2 to 4, over HTTP. A test
 * file calls a suite once per store; each test starts a server of its own, with an empty store.
 */
import type { Start, StoreGaps } from "./client.ts";
import { concurrencyTests, idempotencyTests } from "./asset_concurrency_suite.ts";
import { createTests } from "./asset_create_suite.ts";
import { documentTests } from "./asset_document_suite.ts";
import { filterTests } from "./asset_filter_suite.ts";
import { httpTests } from "./asset_http_suite.ts";
import { objectTests } from "./asset_object_suite.ts";
import { pagingTests } from "./asset_paging_suite.ts";
import { updateTests } from "./asset_update_suite.ts";
import { uploadFailureTests } from "./asset_upload_failure_suite.ts";
import { uploadTests } from "./asset_upload_suite.ts";
import { uriTests } from "./asset_uri_suite.ts";
import { tusSuite } from "./tus_suite.ts";

/**
 * Registers all tests.
 *
 * @param name put before the name of every test
 * @param start starts a server over an empty store; disposing of the server must take the store with it
 */
export function assetSuite(name: string, start: Start, gaps: StoreGaps = {}): void {
  const suite = { name, start, gaps };
  fileSuite(name, start, gaps);
  createTests(suite);
  updateTests(suite);
  documentTests(suite);
  filterTests(suite);
  pagingTests(suite);
  httpTests(suite);
}

/** Registers the tests of all that touches files: what an Assets DB does with documents alone depends on no store. */
export function fileSuite(name: string, start: Start, gaps: StoreGaps = {}): void {
  const suite = { name, start, gaps };
  uploadTests(suite);
  uploadFailureTests(suite);
  uriTests(suite);
  tusSuite(`${name}, resumable`, start, gaps);
  objectTests(suite);
  concurrencyTests(suite);
  idempotencyTests(suite);
}
