/** The main thread's end of the thread that runs the client of a remote KV (`client_worker.ts`). */
import type { Answer, Order, OrderOf, Refusal, Results } from "./orders.ts";

/** No answer came: not in time, or not before the thread was ended. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

interface Waiting {
  hear: (answer: Answer) => void;
  fail: (error: Error) => void;
}

/** A thread with a client of its own. */
export class ClientThread {
  readonly #worker = new Worker(import.meta.resolve("./client_worker.ts"), { type: "module" });
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => this.#waiting.get(data.id)?.hear(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.end(event.message);
    };
  }

  /**
   * Carries out an order.
   *
   * @throws {NoAnswer} if that takes longer than `deadlineMs`, or the thread ends
   * @throws {TypeError} if the KV finds the order malformed
   * @throws {Error} if the KV refuses it
   */
  async ask<K extends Exclude<keyof Results, "watch">>(
    order: OrderOf<K>,
    deadlineMs: number,
  ): Promise<Results[K]> {
    const { promise, resolve, reject } = Promise.withResolvers<Results[K]>();
    const timer = setTimeout(() => reject(new NoAnswer(`no answer within ${deadlineMs} ms`)), deadlineMs);
    const id = this.#send(order, {
      // The thread answers an order with what `Results` says of its kind.
      hear: (answer) => "error" in answer ? reject(errorOf(answer)) : resolve(answer.result as Results[K]),
      fail: reject,
    });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  /** The entries of some keys, each time that one has changed. The stream fails when the thread ends. */
  watch(keys: Deno.KvKey[]): ReadableStream<Results["watch"]> {
    let id = 0;
    return new ReadableStream<Results["watch"]>({
      start: (controller) => {
        id = this.#send({ kind: "watch", keys }, {
          hear: (answer) =>
            "error" in answer
              ? controller.error(errorOf(answer))
              : controller.enqueue(answer.result as Results["watch"]),
          fail: (error) => controller.error(error),
        });
      },
      cancel: () => void this.#waiting.delete(id),
    });
  }

  /** Ends the thread, and with it whatever the client still tries to do. Whoever waits gets `NoAnswer`. */
  end(reason: string): void {
    this.#worker.terminate();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { fail } of waiting) fail(new NoAnswer(reason));
  }

  #send(order: Order, waiting: Waiting): number {
    const id = ++this.#lastId;
    this.#worker.postMessage({ id, order });
    this.#waiting.set(id, waiting);
    return id;
  }
}

function errorOf({ error, isTypeError }: Refusal): Error {
  return isTypeError ? new TypeError(error) : new Error(error);
}
