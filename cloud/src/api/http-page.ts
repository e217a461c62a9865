/**
 * The page as `vite build` left it in cloud/page/dist: a document that is asked for anew each time,
 * and files that bear a hash of what they hold, which are kept for ever. It says nothing of the
 * fleet by itself, so it is served to anyone, who may then log in.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { ApiApp } from "./http-guard.ts";
import { refuse } from "./http-guard.ts";

const usualFolder = fileURLToPath(new URL("../../page/dist", import.meta.url));

interface PageFile {
  readonly type: string;
  readonly tag: string;
  readonly plain: Buffer;
  /** By the name of its encoding. */
  readonly compressed: Readonly<Record<"br" | "gzip", Buffer | undefined>>;
}

export interface Page {
  readonly document: PageFile;
  /** By name. */
  readonly assets: ReadonlyMap<string, PageFile>;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

/** Undefined where the page was not built. */
export function readPage(folder = usualFolder): Page | undefined {
  const document = join(folder, "index.html");
  if (!existsSync(document)) return undefined;
  const assets = join(folder, "assets");
  const names = readdirSync(assets).filter((name) => types[extname(name)] !== undefined);
  return {
    document: readFile(document),
    assets: new Map(names.map((name) => [name, readFile(join(assets, name))])),
  };
}

function readFile(path: string): PageFile {
  const plain = readFileSync(path);
  const packed = (ending: string) =>
    existsSync(path + ending) ? readFileSync(path + ending) : undefined;
  const type = types[extname(path)] ?? "application/octet-stream";
  return fileOf(type, plain, { br: packed(".br"), gzip: packed(".gz") });
}

function fileOf(type: string, plain: Buffer, compressed: PageFile["compressed"]): PageFile {
  const hash = createHash("sha256").update(plain).digest("base64url");
  return { type, tag: `"${hash.slice(0, 22)}"`, plain, compressed };
}

const notBuilt = `<!doctype html><html lang="en"><title>Causeway</title>
<h1>The page is not built</h1>
<p>Run <code>npm run build</code> in the checkout, then start the cloud again. All that the page would
show is at /api: see docs/api.md.</p></html>
`;

export function addPage(app: ApiApp, found: Page | undefined, hasDemo: boolean): void {
  const page = found !== undefined && hasDemo ? withDemo(found) : found;
  const route = { config: { scope: "none", sites: "own" }, schema: { hide: true } } as const;
  app.get("/", route, (request, reply) => {
    reply.header("content-security-policy", contentSecurityPolicy);
    if (page === undefined)
      return reply
        .code(503)
        .type(types[".html"] ?? "")
        .send(notBuilt);
    // Asked for anew each time, and answered in a word where it is the same.
    return answer(request, reply, page.document, "no-cache");
  });
  app.get<{ Params: { name: string } }>("/assets/:name", route, (request, reply) => {
    const file = page?.assets.get(request.params.name);
    if (file === undefined) return refuse(reply, 404);
    return answer(request, reply, file, "public, max-age=31536000, immutable");
  });
}

/** So that the page need not ask for what is not there. */
function withDemo({ document, assets }: Page): Page {
  const mark = '<meta name="causeway-demo" content="yes">\n  </head>';
  const plain = Buffer.from(document.plain.toString("utf8").replace("</head>", mark));
  return { assets, document: fileOf(document.type, plain, { br: undefined, gzip: undefined }) };
}

function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  { type, tag, plain, compressed }: PageFile,
  cacheControl: string,
): FastifyReply {
  reply.headers({ "cache-control": cacheControl, vary: "accept-encoding", etag: tag });
  if (request.headers["if-none-match"] === tag) return reply.code(304).send();
  const encoding = encodingFor(request.headers["accept-encoding"] ?? "", compressed);
  if (encoding !== undefined) reply.header("content-encoding", encoding);
  const body = encoding === undefined ? plain : compressed[encoding];
  return reply.type(type).send(body);
}

function encodingFor(accepted: string, compressed: PageFile["compressed"]) {
  const names = accepted
    .split(",")
    .filter((each) => !/;\s*q=0(?:\.0*)?\s*$/.test(each))
    .map((each) => each.split(";", 1)[0]?.trim());
  const known = ["br", "gzip"] as const;
  return known.find((each) => names.includes(each) && compressed[each] !== undefined);
}
