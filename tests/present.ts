/** What must be there for a test to go on: the value itself, or a failure. */
export function present<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("Expected a value, but there is none");
  return value;
}
