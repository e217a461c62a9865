/** Tells a notification by one HTTP request; what stands in it is the kind's own. */
import type { Clock } from "../clock.ts";
import type { Post, PostLimits } from "./http-post.ts";
import { post } from "./http-post.ts";
import type { Notification } from "./notification.ts";
import type { Attempt, Receiver } from "./receiver.ts";

export interface HttpReceiverOptions extends PostLimits {
  readonly name: string;
  readonly write: (notification: Notification) => Post;
}

export class HttpReceiver implements Receiver {
  readonly name: string;
  readonly #options: HttpReceiverOptions;
  readonly #clock: Clock;

  constructor(options: HttpReceiverOptions, clock: Clock) {
    this.name = options.name;
    this.#options = options;
    this.#clock = clock;
  }

  deliver(notification: Notification, signal: AbortSignal): Promise<Attempt> {
    return post(this.#options.write(notification), this.#options, this.#clock, signal);
  }
}
