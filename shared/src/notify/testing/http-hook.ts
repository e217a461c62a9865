/** An HTTP server that keeps what it is sent, and answers as a test wishes. */
import type { IncomingHttpHeaders, Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface HookRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface HookAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export class HttpHook {
  readonly requests: HookRequest[] = [];
  answer: (request: HookRequest) => HookAnswer | undefined = () => ({ status: 200 });
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async (incoming, response) => {
      let body = "";
      for await (const chunk of incoming) body += chunk;
      const { method = "", url: path = "", headers } = incoming;
      const request = { method, path, headers, body };
      this.requests.push(request);
      const answer = this.answer(request); // undefined: none is ever given
      if (answer !== undefined) response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  }

  static async open(): Promise<HttpHook> {
    const hook = new HttpHook();
    await new Promise<void>((resolve) => hook.#server.listen(0, "127.0.0.1", resolve));
    return hook;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
