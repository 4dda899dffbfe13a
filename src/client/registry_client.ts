/** A registry: the list of Assets DBs, their health, and a search over all of them. */
import { asJsonObject, type Json, type JsonObject } from "../collection/json.ts";
import type { CreateBody as EntryInput, Entry } from "../registry/schema.ts";
import { dataOf } from "./connection.ts";
import {
  type Filter,
  listOf,
  type Page,
  type PageOptions,
  queryCount,
  type QueryOptions,
  queryPage,
  queryStream,
} from "./query.ts";
import { textOf, textsOf } from "./reading.ts";
import { ServiceClient } from "./service_client.ts";

/** What a registry knows of an Assets DB's health. */
export interface EntryHealth {
  status: "healthy" | "unhealthy" | "unknown";
  checked_at?: string;
  latency_ms?: number;
  error?: string;
}

/** The routes of a registry. */
export class RegistryClient extends ServiceClient {
  /** `POST /asset_registry`. Returns the entry's id. */
  async createEntry(entry: EntryInput): Promise<string> {
    const { body } = await this.connection.json("/asset_registry", { method: "POST", json: entry });
    return String(dataOf(body).id);
  }

  /** `GET /asset_registry/<id>` */
  async entry(id: string): Promise<Entry> {
    const { body } = await this.connection.json(entryPath(id));
    return readEntry(dataOf(body));
  }

  /** `PUT /asset_registry/<id>`: fields to replace, dotted paths to set. */
  async updateEntry(id: string, changes: JsonObject): Promise<void> {
    await this.connection.json(entryPath(id), { method: "PUT", json: changes });
  }

  /** `DELETE /asset_registry/<id>` */
  async deleteEntry(id: string): Promise<void> {
    await this.connection.json(entryPath(id), { method: "DELETE" });
  }

  /** `POST /asset_registries`, one page. */
  async entries(filter: Filter, options: PageOptions): Promise<Page<JsonObject>> {
    return await queryPage(this.connection, "/asset_registries", filter, options);
  }

  /** `POST /asset_registries`, everything that matches. */
  entryStream(filter: Filter, options: QueryOptions = {}): AsyncIterable<JsonObject> {
    return queryStream(this.connection, "/asset_registries", filter, options);
  }

  /** `POST /asset_registries?include=health`: every match with its `health`. */
  async entriesWithHealth(filter: Filter): Promise<JsonObject[]> {
    const query = { include: "health" };
    const { body } = await this.connection.json("/asset_registries", { method: "POST", json: filter, query });
    return listOf(body);
  }

  /** How many entries match. */
  async countEntries(filter: Filter): Promise<number> {
    return await queryCount(this.connection, "/asset_registries", filter);
  }

  /**
   * `GET /check_health/<id>`: asks that Assets DB now.
   *
   * @throws {ClientError} `unhealthy`, `timeout`, `not_found`
   */
  async checkHealth(id: string): Promise<{ said: Json; health: JsonObject }> {
    const { body } = await this.connection.json(`/check_health/${encodeURIComponent(id)}`);
    return { said: body.data ?? null, health: asJsonObject(body.health) };
  }

  /** `POST /assets` on a registry, one page: the filter is sent to every healthy Assets DB. */
  async assets(filter: Filter, options: PageOptions): Promise<Page<JsonObject>> {
    return await queryPage(this.connection, "/assets", filter, options);
  }

  /** `POST /assets` on a registry, everything that matches in any Assets DB. */
  assetStream(filter: Filter, options: QueryOptions = {}): AsyncIterable<JsonObject> {
    return queryStream(this.connection, "/assets", filter, options);
  }

  /** How many assets match in all Assets DBs. */
  async countAssets(filter: Filter, { signal }: { signal?: AbortSignal } = {}): Promise<number> {
    return await queryCount(this.connection, "/assets", filter, signal);
  }
}

function readEntry(json: JsonObject): Entry {
  return {
    asset_registry_id: textOf(json.asset_registry_id),
    asset_registry_name: textOf(json.asset_registry_name),
    asset_registry_metadata: asJsonObject(json.asset_registry_metadata),
    asset_registry_tags: textsOf(json.asset_registry_tags),
    asset_registry_public_url: textOf(json.asset_registry_public_url),
  };
}

function entryPath(id: string): string {
  return `/asset_registry/${encodeURIComponent(id)}`;
}
