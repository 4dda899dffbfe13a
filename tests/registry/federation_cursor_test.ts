import { assert, assertEquals, assertThrows } from "@std/assert";
import { v7 as uuidV7 } from "uuid";
import { compileSort } from "../../src/collection/sort.ts";
import { ServiceError } from "../../src/errors.ts";
import { decodeFederationCursor, encodeFederationCursor } from "../../src/registry/federation_cursor.ts";

const sort = compileSort("asset_name,-asset_tags");

Deno.test("A cursor of a search has the place and the absent sources", () => {
  const position = { id: uuidV7(), keys: ["größe", undefined] };
  const absent = Array.from({ length: 5 }, () => uuidV7());
  const cursor = decodeFederationCursor(encodeFederationCursor(position, sort, absent), sort);
  assertEquals(cursor.position, { ...position, sort: sort.text });
  assertEquals(absent.map(cursor.isAbsent), [true, true, true, true, true]);
  assertEquals(cursor.isAbsent(uuidV7()), false);
});

Deno.test("A cursor of a search with 500 absent sources fits into a URL and a header", () => {
  const position = { id: uuidV7(), keys: [] };
  const text = encodeFederationCursor(position, undefined, Array.from({ length: 500 }, () => uuidV7()));
  assert(text.length < 3000, `${text.length}`);
  assertEquals(encodeURIComponent(text), text);
});

Deno.test("What is no cursor of a search, or belongs to another sort, is refused", () => {
  const text = encodeFederationCursor({ id: "1", keys: ["a", "b"] }, sort, [uuidV7()]);
  for (
    const bad of ["", "x", ".", `${text}.`, `${text}.AAAA`, `${text}A`, text.replace(".", ".!"), `${text}AAA`]
  ) {
    const error = assertThrows(() => decodeFederationCursor(bad, sort), ServiceError);
    assertEquals(error.code, "invalid_request", bad);
  }
  assertThrows(() => decodeFederationCursor(text, undefined), ServiceError, "belongs to sort=");
});

Deno.test("Values to sort by that are too long for a cursor are refused when it is made", () => {
  const position = { id: "1", keys: ["x".repeat(5000), null] };
  const error = assertThrows(() => encodeFederationCursor(position, sort, []), ServiceError, "too long");
  assertEquals(error.code, "invalid_request");
});
