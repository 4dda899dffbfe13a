/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/**
 * The thread that writes a view: the main thread says what has changed and goes on.
 *
 * It answers every order, in their order. Orders and answers are those of `writer_thread.ts`.
 */
import type { WriterAnswer, WriterOrder } from "./writer_thread.ts";
import { isDamage, ViewWriter } from "./view_writer.ts";

let writer: ViewWriter | undefined;

self.onmessage = ({ data }: MessageEvent<WriterOrder>) => {
  self.postMessage(answer(data));
};

function answer(order: WriterOrder): WriterAnswer {
  try {
    return { state: carryOut(order).state };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { error: message, isDamaged: isDamage(error) };
  }
}

function carryOut(order: WriterOrder): { state?: ViewWriter["state"] } {
  if (order.kind === "open") {
    writer?.close();
    writer = undefined;
    writer = ViewWriter.open(order.path, { isTrusted: order.isTrusted });
    return { state: writer.state };
  }
  if (!writer) throw new Error("The view is not open");
  switch (order.kind) {
    case "state":
      return { state: writer.state };
    case "clear":
      writer.clear(order.identity);
      break;
    case "apply":
      writer.apply(order.changes, order.reached);
      break;
    case "close":
      writer.close();
      writer = undefined;
  }
  return {};
}
