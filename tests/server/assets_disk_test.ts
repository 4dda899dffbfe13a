import { assetSuite } from "./asset_suite.ts";
import { startTestServer } from "./harness.ts";

assetSuite("Assets on disk", startTestServer);
