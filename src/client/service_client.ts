/** What servers of both modes answer. */
import type { JsonObject } from "../collection/json.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";

/** What `/health` says. */
export interface HealthAnswer {
  isHealthy: boolean;
  /** The whole answer, with the state of each part in `checks`. */
  said: JsonObject;
}

/** The routes of every assets-server, whatever its mode. */
export class ServiceClient {
  protected readonly connection: Connection;

  constructor(options: ConnectionOptions) {
    this.connection = new Connection(options);
  }

  /** The server's URL, without a slash at the end. */
  get server(): string {
    return this.connection.server;
  }

  /** `GET /health`. An unhealthy server is an answer, not an error. */
  async health(
    { signal, timeoutMs }: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<HealthAnswer> {
    const response = await this.connection.send("/health", { signal, timeoutMs, accept: [503] });
    const text = await this.connection.read(() => response.text(), signal);
    return { isHealthy: response.ok, said: this.connection.parse(text, response) };
  }

  /** `GET /livez`: whether the process is alive. */
  async isAlive(): Promise<boolean> {
    return await this.#isWell("/livez");
  }

  /** `GET /readyz`: whether it is ready to serve. */
  async isReady(): Promise<boolean> {
    return await this.#isWell("/readyz");
  }

  /** `GET /metrics`, in the text format of Prometheus. */
  async metrics(): Promise<string> {
    const response = await this.connection.send("/metrics");
    return await this.connection.read(() => response.text());
  }

  /** `GET /openapi.json` */
  async openApi(): Promise<JsonObject> {
    return (await this.connection.json("/openapi.json")).body;
  }

  async #isWell(path: string): Promise<boolean> {
    const response = await this.connection.send(path, { accept: [503] });
    await response.body?.cancel();
    return response.ok;
  }
}
