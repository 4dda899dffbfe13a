import { tusClientSuite } from "./tus_client_suite.ts";

tusClientSuite("a disk", () => ({}));
