/** A Deno KV whose calls are measured. */
import { observed, type Operations } from "./observed.ts";

/** The same KV, measured. Of a list it is the first batch that counts. */
export function observedKv(kv: Deno.Kv, operations: Operations): Deno.Kv {
  return observed(kv, operations, ["get", "getMany", "set", "delete"], {
    atomic() {
      const operation = kv.atomic();
      const commit = operation.commit.bind(operation);
      operation.commit = operations.measured("commit", commit);
      return operation;
    },
    list<T>(selector: Deno.KvListSelector, options?: Deno.KvListOptions): Deno.KvListIterator<T> {
      const iterator = kv.list<T>(selector, options);
      const next = iterator.next.bind(iterator);
      let call = operations.measured("list", next);
      iterator.next = () => {
        const first = call;
        call = next;
        return first();
      };
      return iterator;
    },
  });
}
