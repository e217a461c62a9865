/**
 * The file of nats-server's configuration that holds the users of account EDGE: a gateway each, with
 * what is permitted to it and nothing more. deploy/nats/nats.conf includes it.
 */
import { gatewayId } from "@causeway/shared/names.ts";
import { gatewayPermissions } from "@causeway/shared/subjects.ts";
import type { GatewayBook } from "./gateway-entry.ts";

const head = `# Written by causeway-cloud gateways, from bucket GATEWAYS: changes by hand are overwritten.
`;

/** Equal entries make equal bytes. */
export function usersText(book: GatewayBook): string {
  const permitted = book.all().filter((entry) => book.isPermitted(entry));
  const users = permitted.map(({ gateway, key = "" }) => user(gateway, key));
  return `${head}users: [\n${users.join("")}]\n`;
}

/** Lanes, mark and commands are named one by one; leaf nodes and MQTT are no way in for a gateway. */
function user(gateway: string, key: string): string {
  const { publish, subscribe } = gatewayPermissions(gatewayId(gateway));
  return `  { nkey: ${key}, allowed_connection_types: ["STANDARD", "WEBSOCKET"], permissions: {
    publish: { allow: ${list(publish)} }
    subscribe: { allow: ${list(subscribe)} }
  } }
`;
}

function list(subjects: readonly string[]): string {
  return `[${subjects.map((subject) => JSON.stringify(subject)).join(", ")}]`;
}
