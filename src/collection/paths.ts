/**
 * Dotted paths through JSON documents, as MongoDB's query operators walk them.
 *
 * Source: MongoDB manual, "Query on Embedded/Nested Documents", "Query an Array", "Query an Array of Embedded
 * Documents". In short:
 * - A part names a field of an object. Over an array it continues in every element that is an object, and a part
 *   that is a plain index (`0`, `17`) also continues in the element at that index.
 * - Elements that are arrays are not opened, except by an index.
 * - A path that ends at an array offers every element and then the array itself; a path that ends with an index
 *   offers that element alone, also when it is an array.
 * - A field that an object lacks is offered as `undefined`; elements that are not objects offer nothing.
 */

import type { Json, JsonObject } from "./json.ts";

/** Tests one value that a path leads to; `undefined` is a field that its object lacks. */
export type ValueTest = (value: Json | undefined) => boolean;

/** A path may have so many parts: MongoDB's limit on the depth of a field path, and a bound on recursion here. */
export const maxPathParts = 200;

interface PathPart {
  readonly name: string;
  /** The array index that the name spells, or -1. */
  readonly index: number;
  /** Whether objects inherit something under this name, so that only own keys may be read. */
  readonly inherited: boolean;
}

/** Every name that `{}[name]` finds without an own key: `constructor`, `toString`, `__proto__` and so on. */
const inheritedNames: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

const arrayIndex = /^(?:0|[1-9][0-9]{0,14})$/;

/** The array index that a part of a path spells, or -1. `01` is no index. */
export function arrayIndexOf(name: string): number {
  return arrayIndex.test(name) ? Number(name) : -1;
}

/** The field `name` of `object`, or undefined; never something inherited. */
export function ownField(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** A dotted path, split once and walked through many documents. */
export class FieldPath {
  readonly #parts: readonly PathPart[];

  constructor(path: string) {
    this.#parts = path.split(".").map((name) => ({
      name,
      index: arrayIndexOf(name),
      inherited: inheritedNames.has(name),
    }));
  }

  /**
   * Whether `test` holds for any value that the path leads to in `document`. With `openLeafArray` an array at the
   * end of the path offers its elements and then itself, without it only itself.
   */
  some(document: JsonObject, test: ValueTest, openLeafArray: boolean): boolean {
    return this.#someInObject(document, 0, test, openLeafArray);
  }

  #field(object: JsonObject, at: number): Json | undefined {
    const part = this.#parts[at];
    if (part === undefined) return undefined;
    return part.inherited ? ownField(object, part.name) : object[part.name];
  }

  #someInObject(start: JsonObject, from: number, test: ValueTest, openLeafArray: boolean): boolean {
    const last = this.#parts.length - 1;
    let object = start;
    for (let at = from;; at++) {
      const value = this.#field(object, at);
      if (at === last) return openLeafArray && Array.isArray(value) ? someElement(value, test) : test(value);
      if (typeof value !== "object" || value === null) return test(undefined);
      if (Array.isArray(value)) return this.#someInArray(value, at + 1, test, openLeafArray);
      object = value;
    }
  }

  #someInArray(array: readonly Json[], at: number, test: ValueTest, openLeafArray: boolean): boolean {
    const last = at === this.#parts.length - 1;
    const index = this.#parts[at]?.index ?? -1;
    for (let i = 0; i < array.length; i++) {
      const element = array[i];
      if (typeof element !== "object" || element === null) {
        if (i === index && last && test(element)) return true;
      } else if (Array.isArray(element)) {
        if (i !== index) continue;
        if (last ? test(element) : this.#someInArray(element, at + 1, test, openLeafArray)) return true;
      } else {
        if (this.#someInObject(element, at, test, openLeafArray)) return true;
        if (i !== index) continue;
        if (last ? test(element) : this.#someInObject(element, at + 1, test, openLeafArray)) return true;
      }
    }
    return false;
  }
}

function someElement(array: Json[], test: ValueTest): boolean {
  for (const element of array) {
    if (test(element)) return true;
  }
  return test(array);
}
