/** Aedes' list of clients, kept right where aedes itself does not (B7 of aedes-broker.ts). */
import type { Aedes, Client } from "aedes";

interface Registry {
  readonly clients: Readonly<Record<string, Client>>;
  registerClient(client: Client): void;
  unregisterClient(client: Client): void;
}

/** Aedes registers who has left while it was connecting, and takes off the list by name alone. */
export function guardRegistry(aedes: Aedes): void {
  const registry = aedes as unknown as Registry;
  const register = registry.registerClient.bind(aedes);
  const unregister = registry.unregisterClient.bind(aedes);
  registry.registerClient = (client) => {
    if (!client.closed) register(client);
  };
  registry.unregisterClient = (client) => {
    if (registry.clients[client.id] === client) unregister(client);
  };
}
