/** Checks what came from outside against a schema, and says every fault in one sentence. */
import type { ZodType } from "zod";
import { type FieldProblem, ServiceError } from "./errors.ts";

/**
 * Checks the value against a schema and returns it as it came, own keys such as `__proto__` included, which a schema's output
 * may lose. So the schema must not transform.
 *
 * @throws {ServiceError} `invalid_request`, with every offending field in `details`
 */
export function validate<T>(schema: ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return value as T;
  const details: FieldProblem[] = result.error.issues.flatMap((issue): FieldProblem[] => {
    const path = issue.path.map(String).join(".");
    if (issue.code !== "unrecognized_keys") return [{ path, message: issue.message }];
    return issue.keys.map((key) => ({
      path: path === "" ? key : `${path}.${key}`,
      message: "is not a known field",
    }));
  });
  throw new ServiceError("invalid_request", sentence(details), { details });
}

/** One sentence that names every field: `asset_name is required; asset_tags.0 must be a string.` */
export function sentence(problems: FieldProblem[]): string {
  return `${
    problems.map(({ path, message }) => `${path === "" ? "The body" : path} ${message}`).join("; ")
  }.`;
}
