/** The one error that the client throws. */

/** What goes wrong before a server has said anything of its own. */
export type LocalErrorCode =
  /** No connection, or one that broke. */
  | "unreachable"
  /** No answer in time. */
  | "no_answer"
  /** An answer that is not what an assets-server says. */
  | "bad_answer"
  /** The server sends us elsewhere. */
  | "redirected";

/** What is known of a failure beside its sentence. */
export interface ClientErrorFacts {
  /** The HTTP status; 0 if no answer came. */
  status: number;
  /** The server's `code`, or a `LocalErrorCode`. */
  code: string;
  /** `X-Request-Id` of the answer, by which the server's log has it. */
  requestId?: string;
  /** Seconds that the server asked to wait (`Retry-After`, RFC 9110 §10.2.3). */
  retryAfterSeconds?: number;
  details?: unknown;
  cause?: unknown;
}

/** A request that did not succeed. `message` is a sentence, the server's own where it said one. */
export class ClientError extends Error {
  override readonly name = "ClientError";
  readonly status: number;
  readonly code: string;
  readonly requestId: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly details: unknown;

  constructor(message: string, facts: ClientErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.status = facts.status;
    this.code = facts.code;
    this.requestId = facts.requestId;
    this.retryAfterSeconds = facts.retryAfterSeconds;
    this.details = facts.details;
  }

  /** Whether the same request may succeed later: the server is away, busy or failing, not refusing. */
  get isPassing(): boolean {
    return this.code === "unreachable" || this.code === "no_answer" || this.code === "locked" ||
      this.status === 429 || this.status === 500 || this.status === 502 || this.status === 503 ||
      this.status === 504;
  }
}

/** What a status says where the answer has no body, as to HEAD. */
const CODE_OF_STATUS: Record<number, string> = {
  401: "unauthenticated",
  403: "forbidden",
  404: "not_found",
  410: "not_found",
  423: "locked",
};

/** The error that an answer with a bad status is; reads its body. */
export async function errorOfAnswer(response: Response): Promise<ClientError> {
  const text = await response.text().catch(() => "");
  const said = parsed(text);
  const message = textOf(said.error) ?? textOf(said.message);
  const retryAfter = Number(response.headers.get("Retry-After") ?? NaN);
  return new ClientError(
    message ?? `The server answered ${response.status} ${response.statusText}`.trim() + ".",
    {
      status: response.status,
      code: textOf(said.code) ?? CODE_OF_STATUS[response.status] ?? "bad_answer",
      requestId: response.headers.get("X-Request-Id") ?? undefined,
      retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : undefined,
      details: said.details ?? said.checks,
    },
  );
}

function parsed(text: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null ? { ...json } : {};
  } catch {
    return {};
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
