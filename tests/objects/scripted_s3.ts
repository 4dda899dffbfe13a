/** A server that answers as a test says: for what a real S3 server can't be made to do. */

import { S3Client, type S3ClientOptions } from "../../src/objects/s3_client.ts";
import { S3Store } from "../../src/objects/s3_store.ts";
import type { S3Config } from "../../src/objects/s3_address.ts";
import type { Clock } from "../../src/objects/backoff.ts";

/** A request as it arrived. */
export interface SeenRequest {
  method: string;
  /** Percent-encoded. */
  path: string;
  query: URLSearchParams;
  headers: Headers;
  body: Uint8Array;
}

/** A running scripted server. */
export interface ScriptedS3 {
  endpoint: string;
  /** All requests so far, in the order of their arrival. */
  requests: SeenRequest[];
  stop(): Promise<void>;
}

/** Starts it on a free port of 127.0.0.1. `answer` gets each request after its body was read. */
export function startScriptedS3(answer: (request: SeenRequest) => Response | Promise<Response>): ScriptedS3 {
  const requests: SeenRequest[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const body = new Uint8Array(await request.arrayBuffer().catch(() => new ArrayBuffer(0)));
    const { method, headers } = request;
    const seen: SeenRequest = { method, path: pathname, query: searchParams, headers, body };
    requests.push(seen);
    return await answer(seen);
  });
  return {
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    requests,
    stop: () => server.shutdown(),
  };
}

/** An S3 error in XML. */
export function errorAnswer(
  status: number,
  code: string,
  options: { headers?: Record<string, string>; more?: string } = {},
): Response {
  const body =
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${code} it is</Message>${
      options.more ?? ""
    }</Error>`;
  return new Response(body, { status, headers: { "content-type": "application/xml", ...options.headers } });
}

/** An XML answer of status 200. */
export function xmlAnswer(root: string): Response {
  return new Response(`<?xml version="1.0" encoding="UTF-8"?>\n${root}`);
}

/** What every scripted client is configured with. */
export function scriptedConfig(endpoint: string): S3Config {
  return {
    endpoint,
    bucket: "assets",
    region: "eu-test-1",
    addressing: "path",
    accessKeyId: "AKIDEXAMPLE",
    secretAccessKey: "very-secret",
  };
}

/** A clock that notes how long it was asked to sleep and does not. */
export class NotingClock implements Clock {
  readonly sleepsMs: number[] = [];
  now(): number {
    return Date.now();
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.sleepsMs.push(ms);
    return signal?.aborted ? Promise.reject(signal.reason) : Promise.resolve();
  }
}

/** Runs a test against a scripted server with a client whose waits take no time. */
export async function withScriptedS3(
  answer: (request: SeenRequest) => Response | Promise<Response>,
  test: (
    parts: { server: ScriptedS3; client: S3Client; clock: NotingClock; config: S3Config },
  ) => Promise<void>,
  options: S3ClientOptions = {},
): Promise<void> {
  const server = startScriptedS3(answer);
  const clock = new NotingClock();
  const config = scriptedConfig(server.endpoint);
  try {
    await test({
      server,
      clock,
      config,
      client: new S3Client(config, { clock, random: () => 0.5, ...options }),
    });
  } finally {
    await server.stop();
  }
}

/** S3's operations as a test names them. */
export function operationOf({ method, query }: SeenRequest): string {
  if (method === "POST") return query.has("uploads") ? "create" : "complete";
  if (method === "PUT") return query.has("partNumber") ? "part" : "put";
  if (method === "DELETE") return query.has("uploadId") ? "abort" : "delete";
  return method.toLowerCase();
}

/** What a server answers that finds nothing to object to. */
export function wellAnswered(request: SeenRequest): Response {
  switch (operationOf(request)) {
    case "create":
      return xmlAnswer(
        "<InitiateMultipartUploadResult><UploadId>up+1/=</UploadId></InitiateMultipartUploadResult>",
      );
    case "complete":
      return xmlAnswer('<CompleteMultipartUploadResult><ETag>"x-2"</ETag></CompleteMultipartUploadResult>');
    case "part":
      return new Response(null, { headers: { etag: `"part-${request.query.get("partNumber")}"` } });
    case "head":
      return errorAnswer(404, "NoSuchKey");
    default:
      return new Response(null, { status: 200, headers: { etag: '"x"' } });
  }
}

/** Runs a test against a store whose server answers well except where `answer` says otherwise. */
export async function withStore(
  answer: (operation: string, request: SeenRequest) => Response | Promise<Response> | undefined,
  test: (store: S3Store, operations: () => string[], requests: SeenRequest[]) => Promise<void>,
  options: S3ClientOptions = {},
): Promise<void> {
  await withScriptedS3(
    (request) => answer(operationOf(request), request) ?? wellAnswered(request),
    async ({ server, config, clock }) => {
      const store = new S3Store({ ...config, prefix: "p" }, { clock, random: () => 0, ...options });
      await test(store, () => server.requests.map(operationOf), server.requests);
    },
  );
}
