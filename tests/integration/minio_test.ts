import { startMinio } from "../../scripts/services/minio.ts";
import { s3ServiceSuite, withService } from "./s3_service_suite.ts";

const minio = withService(startMinio);

s3ServiceSuite("MinIO", minio);
