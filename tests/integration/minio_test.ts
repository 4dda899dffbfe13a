import { startMinio } from "../../scripts/services/minio.ts";
import { s3ServiceSuite, settingsFor, withService } from "./s3_service_suite.ts";
import { tusClientSuite } from "./tus_client_suite.ts";

const minio = withService(startMinio);

s3ServiceSuite("MinIO", minio);
tusClientSuite("MinIO", () => settingsFor(minio));
