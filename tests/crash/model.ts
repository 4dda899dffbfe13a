/**
 * What a server must have, as one client knows it.
 *
 * Of an asset there is a list of what it may be: one state after an answer, two after a request whose answer never came. The
 * next look at it leaves one.
 */
import { AssertionError } from "@std/assert";

/** What an asset may be. `n` counts its changes. */
export type State =
  | { kind: "absent" }
  | { kind: "there"; n: number; tag: string; file: Content | undefined };

/** The content of a file: it follows from a seed. */
export interface Content {
  seed: number;
  sizeBytes: number;
  sha256: string;
}

/** An asset as a server showed it. */
export interface Observed {
  n: number;
  tag: string;
  sha256: string | undefined;
}

const ABSENT: State = { kind: "absent" };

/** The assets of one worker, by their names; nobody else changes them. */
export class Model {
  readonly #assets = new Map<string, State[]>();
  /** Writes that were answered with success. */
  acknowledged = 0;

  /** A request is about to be sent: until its answer, an asset may be this, too. */
  mayBecome(name: string, state: State): void {
    this.#assets.set(name, [...this.statesOf(name), state]);
  }

  /** The answer said that it is so. */
  is(name: string, state: State): void {
    this.acknowledged++;
    this.#settle(name, state);
  }

  /** The answer said that nothing has changed. */
  isAsBefore(name: string): void {
    const [before = ABSENT] = this.statesOf(name);
    this.#settle(name, before);
  }

  statesOf(name: string): State[] {
    return this.#assets.get(name) ?? [ABSENT];
  }

  /** Names whose state is known, and is that there is an asset. */
  known(): { name: string; state: State & { kind: "there" } }[] {
    return [...this.#assets].flatMap(([name, states]) => {
      const [state] = states;
      return states.length === 1 && state?.kind === "there" ? [{ name, state }] : [];
    });
  }

  /** All names that may be there. */
  names(): IterableIterator<string> {
    return this.#assets.keys();
  }

  /**
   * Compares with what a server showed, and knows it from then on.
   *
   * @throws {AssertionError} if it is nothing that it may be: a write that was acknowledged is lost, or one came back
   */
  observe(name: string, observed: Observed | undefined): void {
    const found = this.statesOf(name).find((state) => isWhat(state, observed));
    if (!found) {
      throw new AssertionError(
        `${name} is ${JSON.stringify(observed ?? "absent")}; it may be ${
          JSON.stringify(this.statesOf(name))
        }`,
      );
    }
    this.#settle(name, found);
  }

  #settle(name: string, state: State): void {
    if (state.kind === "absent") this.#assets.delete(name);
    else this.#assets.set(name, [state]);
  }
}

function isWhat(state: State, observed: Observed | undefined): boolean {
  if (state.kind === "absent" || !observed) return state.kind === "absent" && !observed;
  return state.n === observed.n && state.tag === observed.tag && state.file?.sha256 === observed.sha256;
}
