/** @jsxImportSource hono/jsx */
/** The API's description as a page: sections, routes, their parameters, bodies, answers and errors with examples. */
import { raw } from "hono/html";
import type { Child } from "hono/jsx";
import { setImmediate } from "node:timers/promises";
import { asJsonObject, isJsonObject, type Json, type JsonObject } from "../collection/json.ts";
import { prose } from "./prose.tsx";
import { SchemaView } from "./schema_view.tsx";
import { documentText } from "./shell.tsx";

const METHODS = ["get", "head", "post", "put", "patch", "delete"];

/** One method of one path. */
interface Route {
  method: string;
  path: string;
  operation: JsonObject;
}

/** The page of an OpenAPI document, as HTML. It is made route by route: requests are answered in between. */
export async function docsPage(api: JsonObject): Promise<string> {
  const info = asJsonObject(api.info);
  const tags = list(api.tags).map(asJsonObject);
  const routes = routesOf(api);
  const views = new Map<Route, string>();
  for (const route of routes) {
    views.set(route, String(<RouteView route={route} />));
    await setImmediate();
  }
  return documentText({
    title: `${text(info.title)} API`,
    body: (
      <div class="docs">
        <nav class="docs-nav" aria-label="Routes">
          <p class="brand">{text(info.title)}</p>
          {tags.map((tag) => (
            <section>
              <h2>{text(tag.name)}</h2>
              <ul>
                {withTag(routes, text(tag.name)).map((route) => (
                  <li>
                    <a href={`#${anchor(route)}`}>
                      <Method name={route.method} /> <code>{route.path}</code>
                    </a>
                  </li>
                ))}
              </ul>
            </section>
          ))}
        </nav>
        <main id="main" tabindex={-1}>
          <header>
            <h1>{text(info.title)} API</h1>
            <p>
              {prose(text(info.description))} Version {text(info.version)}; the same as{" "}
              <a href="openapi.json">OpenAPI {text(api.openapi)}</a>.{" "}
              <a href="ui/">To the page of this server</a>.{" "}
            </p>
            <p>
              Where the server has tokens, they go into the header <code>Authorization: Bearer …</code>
            </p>
          </header>
          {tags.map((tag) => (
            <section>
              <h2>{text(tag.name)}</h2>
              <p>{prose(text(tag.description))}</p>
              {withTag(routes, text(tag.name)).map((route) => raw(views.get(route) ?? ""))}
            </section>
          ))}
          <section>
            <h2>Schemas</h2>
            {Object.entries(asJsonObject(asJsonObject(api.components).schemas))
              .map(([name, schema]) => (
                <article class="schema" id={`schema-${name}`}>
                  <h3>{name}</h3>
                  <SchemaView schema={asJsonObject(schema)} />
                </article>
              ))}
          </section>
        </main>
      </div>
    ),
  });
}

function RouteView({ route }: { route: Route }) {
  const { operation } = route;
  const parameters = list(operation.parameters).map(asJsonObject);
  const isOpen = list(operation.security).length === 0;
  return (
    <article class="route" id={anchor(route)}>
      <h3>
        <Method name={route.method} /> <code>{route.path}</code>
      </h3>
      <p>
        <strong>{text(operation.summary)}.</strong> {prose(text(operation.description))}
        {isOpen && " Needs no token."}
      </p>
      {parameters.length > 0 && (
        <dl class="parameters">
          {parameters.map((parameter) => (
            <div>
              <dt>
                <code>{text(parameter.name)}</code> <small>{text(parameter.in)}</small>
              </dt>
              <dd>
                {prose(text(parameter.description))}
                {parameter.example !== undefined && (
                  <>
                    For example <code>{text(parameter.example)}</code>.
                  </>
                )}
              </dd>
            </div>
          ))}
        </dl>
      )}
      {isJsonObject(operation.requestBody) && (
        <details open>
          <summary>Body</summary>
          <Content content={asJsonObject(operation.requestBody.content)} />
        </details>
      )}
      {Object.entries(asJsonObject(operation.responses)).map((
        [status, response],
      ) => (
        <details open={status.startsWith("2")}>
          <summary>
            <span class={`status status-${status[0]}`}>{status}</span>{" "}
            {prose(text(asJsonObject(response).description))}
          </summary>
          <Headers headers={asJsonObject(asJsonObject(response).headers)} />
          <Content content={asJsonObject(asJsonObject(response).content)} />
        </details>
      ))}
    </article>
  );
}

function Headers({ headers }: { headers: JsonObject }) {
  const own = Object.entries(headers).filter(([name]) => name !== "X-Request-Id");
  if (own.length === 0) return null;
  return (
    <dl class="parameters">
      {own.map(([name, header]) => (
        <div>
          <dt>
            <code>{name}</code> <small>header</small>
          </dt>
          <dd>{prose(text(asJsonObject(header).description))}</dd>
        </div>
      ))}
    </dl>
  );
}

function Content({ content }: { content: JsonObject }) {
  return (
    <>
      {Object.entries(content).map(([mediaType, media]) => (
        <div class="media">
          <p>
            <code>{mediaType}</code>
          </p>
          <SchemaView schema={asJsonObject(asJsonObject(media).schema)} />
          {examplesOf(asJsonObject(media)).map(({ summary, value }) => (
            <figure>
              {summary !== "" && <figcaption>{summary}</figcaption>}
              <Example value={value} />
            </figure>
          ))}
        </div>
      ))}
    </>
  );
}

function Example({ value }: { value: Json }): Child {
  return (
    <pre
      tabindex={0}
    ><code>{typeof value === "string" ? value : JSON.stringify(value, null, 2)}</code></pre>
  );
}

function examplesOf(media: JsonObject): { summary: string; value: Json }[] {
  if (media.example !== undefined) {
    return [{ summary: "", value: media.example }];
  }
  return Object.values(asJsonObject(media.examples)).map((example) => {
    const { summary, value = null } = asJsonObject(example);
    return { summary: text(summary), value };
  });
}

function Method({ name }: { name: string }) {
  return <span class={`method method-${name}`}>{name.toUpperCase()}</span>;
}

function routesOf(api: JsonObject): Route[] {
  return Object.entries(asJsonObject(api.paths)).flatMap(([path, item]) =>
    METHODS.filter((method) => method in asJsonObject(item))
      .map((method) => ({
        method,
        path,
        operation: asJsonObject(asJsonObject(item)[method]),
      }))
  );
}

function withTag(routes: Route[], tag: string): Route[] {
  return routes.filter(({ operation }) => list(operation.tags).includes(tag));
}

function anchor({ operation }: Route): string {
  return text(operation.operationId);
}

function text(value: Json | undefined): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function list(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : [];
}
