import { startCeph } from "../../scripts/services/ceph.ts";
import { s3ServiceSuite, withService } from "./s3_service_suite.ts";

const ceph = withService(startCeph);

s3ServiceSuite("Ceph", ceph);
