import { startCeph } from "../../scripts/services/ceph.ts";
import { s3ServiceSuite, settingsFor, withService } from "./s3_service_suite.ts";
import { tusClientSuite } from "./tus_client_suite.ts";

const ceph = withService(startCeph);

s3ServiceSuite("Ceph", ceph);
tusClientSuite("Ceph", () => settingsFor(ceph));
