/** Keeps the smallest of many items without keeping them all. */

/** A collector of the smallest items seen. */
export interface Smallest<T> {
  add(item: T): void;
  /** The smallest items, in order. */
  take(): T[];
}

/**
 * A collector that keeps at most `count` items (`Infinity` for all), in O(log count) for each.
 *
 * A binary heap with the largest kept item on top, so that one comparison tells whether a new item is of interest.
 */
export function smallest<T>(count: number, compare: (a: T, b: T) => number): Smallest<T> {
  const items: T[] = [];
  if (count === Infinity) {
    return { add: (item) => void items.push(item), take: () => items.sort(compare) };
  }
  const isLarger = (a: number, b: number) => compare(items[a] as T, items[b] as T) > 0;
  const swap = (a: number, b: number) => {
    [items[a], items[b]] = [items[b] as T, items[a] as T];
  };

  function siftUp(at: number): void {
    for (let parent = (at - 1) >> 1; at > 0 && isLarger(at, parent); at = parent, parent = (at - 1) >> 1) {
      swap(at, parent);
    }
  }

  function siftDown(at: number): void {
    for (;;) {
      let largest = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < items.length && isLarger(child, largest)) largest = child;
      }
      if (largest === at) return;
      swap(at, largest);
      at = largest;
    }
  }

  return {
    add(item) {
      if (items.length < count) {
        items.push(item);
        siftUp(items.length - 1);
      } else if (count > 0 && compare(item, items[0] as T) < 0) {
        items[0] = item;
        siftDown(0);
      }
    },
    take: () => items.sort(compare),
  };
}
